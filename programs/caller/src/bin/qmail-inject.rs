//! qmail-inject(8): completes a message and puts it into the queue.
//!
//! Runs as whoever calls it, with what that caller may do. Logic and tests live in crate `inject`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    match inject::program::run_in_process() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            inject::process::say(&error.report());
            error.exit_code()
        }
    }
}
