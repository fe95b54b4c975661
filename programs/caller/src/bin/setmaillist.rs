//! setmaillist(1): makes a mailing list for fastforward from lines on standard input.
//!
//! Runs as whoever calls it. Logic and tests live in `inject::aliases`.
#![forbid(unsafe_code)]

use inject::aliases::{mailing_list, replace};
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
    let [list, temporary] = arguments.as_slice() else {
        return Err(Ending::usage("setmaillist", "setmaillist list.bin list.tmp"));
    };
    let fatal = |exit, text: String| Ending::fatal("setmaillist", exit, text.as_bytes());
    let text = replace::text(process::standard_input())
        .map_err(|error| Ending::trouble("setmaillist", "unable to read input", &error))?;
    let bytes = mailing_list::from_plain_list(&text).map_err(|error| fatal(100, error.to_string()))?;
    let path = |name| Path::new(OsStr::from_bytes(name));
    replace::list(&bytes, path(temporary), path(list)).map_err(|text| fatal(111, text))
}
