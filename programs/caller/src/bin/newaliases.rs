//! newaliases(1): makes a forwarding database from /etc/aliases.
//!
//! Runs as whoever calls it. Logic and tests live in `inject::aliases`.
#![forbid(unsafe_code)]

use inject::aliases::conversion;
use inject::dotqmail::Ending;
use inject::process;
use std::process::ExitCode;

fn main() -> ExitCode {
    let (_, arguments) = process::command_line();
    Ending::from(conversion::new_aliases(&arguments, &os::home::home())).conclude()
}
