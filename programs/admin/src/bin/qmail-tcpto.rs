//! qmail-tcpto(8): lists the hosts that timed out. Logic and tests live in `admin::timeouts`.
#![forbid(unsafe_code)]

use std::io::{BufWriter, Write};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

fn main() -> ExitCode {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    // The table counts modulo 2^32.
    let now = u32::try_from(now & u64::from(u32::MAX)).unwrap_or(0);
    let mut out = BufWriter::new(std::io::stdout().lock());
    match admin::timeouts::print(&os::home::home(), now, &mut out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // On descriptor 1, as the original has it.
            let _ = writeln!(out, "fatal: {error}").and_then(|()| out.flush());
            ExitCode::from(111)
        }
    }
}
