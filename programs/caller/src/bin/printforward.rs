//! printforward(1): prints a forwarding database as setforward reads it.
//!
//! Runs as whoever calls it. Logic and tests live in `inject::aliases`.
#![forbid(unsafe_code)]

use inject::aliases::{replace, table};
use inject::dotqmail::Ending;
use inject::process;
use std::io::{BufWriter, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(ending) => ending.conclude(),
    }
}

fn run() -> Result<(), Ending> {
    let trouble = |text, error| Ending::trouble("printforward", text, &error);
    let bytes =
        replace::text(process::standard_input()).map_err(|error| trouble("unable to read input", error))?;
    let damaged = || Ending::fatal("printforward", 111, b"this is no forwarding database");
    let mut out = BufWriter::new(std::io::stdout().lock());
    for record in cdb::dump::records(&bytes) {
        let (key, data) = record.map_err(|_| damaged())?;
        let text = table::print(key, data).ok_or_else(damaged)?;
        out.write_all(&text).map_err(|error| trouble("unable to write output", error))?;
    }
    out.flush().map_err(|error| trouble("unable to write output", error))
}
