//! printmaillist(1): prints a mailing list as setmaillist reads it.
//!
//! Runs as whoever calls it. Logic and tests live in `inject::aliases`.
#![forbid(unsafe_code)]

use inject::aliases::{mailing_list, replace};
use inject::dotqmail::Ending;
use inject::process;
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(ending) => ending.conclude(),
    }
}

fn run() -> Result<(), Ending> {
    let trouble = |text, error| Ending::trouble("printmaillist", text, &error);
    let bytes =
        replace::text(process::standard_input()).map_err(|error| trouble("unable to read input", error))?;
    let text = mailing_list::print(&bytes)
        .ok_or_else(|| Ending::fatal("printmaillist", 111, b"this is no mailing list"))?;
    std::io::stdout().write_all(&text).map_err(|error| trouble("unable to write output", error))
}
