//! qmail-tcpok(8): forgets which hosts timed out. Logic and tests live in `admin::timeouts`.
#![forbid(unsafe_code)]

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    match admin::timeouts::clear(&os::home::home()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "qmail-tcpok: fatal: {error}");
            ExitCode::from(111)
        }
    }
}
