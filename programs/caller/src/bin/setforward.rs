//! setforward(1): makes a forwarding database from a table on standard input.
//!
//! Runs as whoever calls it. Logic and tests live in `inject::aliases`.
#![forbid(unsafe_code)]

use inject::aliases::{replace, table};
use inject::dotqmail::Ending;
use inject::process;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(ending) => ending.conclude(),
    }
}

fn run() -> Result<(), Ending> {
    let (_, arguments) = process::command_line();
    let [database, temporary] = arguments.as_slice() else {
        return Err(Ending::usage("setforward", "setforward data.cdb data.tmp"));
    };
    let fatal = |exit, text: String| Ending::fatal("setforward", exit, text.as_bytes());
    let text = replace::text(process::standard_input())
        .map_err(|error| Ending::trouble("setforward", "unable to read input", &error))?;
    let records = table::read(&text).map_err(|error| fatal(100, error.to_string()))?;
    let path = |name| Path::new(OsStr::from_bytes(name));
    replace::database(&records, path(temporary), path(database)).map_err(|text| fatal(111, text))
}
