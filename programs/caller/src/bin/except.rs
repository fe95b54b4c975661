//! except(1): turns a program's answer round, in a .qmail line.
//!
//! Runs as the recipient. Logic and tests live in `inject::dotqmail`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    inject::dotqmail::except::run(&inject::process::command_line().1).conclude()
}
