//! qmail-send(8): deliver mail from the queue.
//!
//! Runs as qmails. Descriptors 0 to 6 are the log, the two spawners and qmail-clean, as qmail-start opens them; logic and
//! tests live in crates `manager` (the loop) and `schedule` (the judgement).
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(descriptors) = manager::Descriptors::inherited() else { return ExitCode::from(111) };
    ExitCode::from(manager::run(&os::home::home(), descriptors))
}
