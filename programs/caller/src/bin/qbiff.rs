//! qbiff(1): says on terminals that mail has come, from a .qmail line.
//!
//! Runs as the recipient. Logic and tests live in `inject::dotqmail`.
#![forbid(unsafe_code)]

use inject::{environment::Environment, process};
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut input = process::standard_input();
    inject::dotqmail::qbiff::run(
        &Environment::of_process(),
        &mut input,
        Path::new(os::utmp::PATH),
        Path::new("/dev"),
    );
    ExitCode::SUCCESS
}
