//! printforward(1): prints a forwarding database as setforward reads it.
//!
//! Runs as whoever calls it. Logic and tests live in `inject::aliases`.
#![forbid(unsafe_code)]

use inject::aliases::conversion;
use inject::dotqmail::Ending;
use inject::process;
use std::process::ExitCode;

fn main() -> ExitCode {
    Ending::from(conversion::print_forward(process::standard_input(), std::io::stdout().lock())).conclude()
}
