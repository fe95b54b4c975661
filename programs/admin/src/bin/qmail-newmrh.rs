//! qmail-newmrh(8): makes control/morercpthosts.cdb. Logic and tests live in `admin::morercpthosts`.
#![forbid(unsafe_code)]

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    match admin::morercpthosts::compile(&os::home::home()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "qmail-newmrh: fatal: {error}");
            ExitCode::from(111)
        }
    }
}
