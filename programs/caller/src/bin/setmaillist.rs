//! setmaillist(1): makes a mailing list for fastforward from lines on standard input.
//!
//! Runs as whoever calls it. Logic and tests live in `inject::aliases`.
#![forbid(unsafe_code)]

use inject::aliases::conversion;
use inject::dotqmail::Ending;
use inject::process;
use std::process::ExitCode;

fn main() -> ExitCode {
    let (_, arguments) = process::command_line();
    Ending::from(conversion::set_mailing_list(&arguments, process::standard_input())).conclude()
}
