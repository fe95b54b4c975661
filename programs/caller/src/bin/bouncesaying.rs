//! bouncesaying(1): bounces a message with a text, from a .qmail line.
//!
//! Runs as the recipient. Logic and tests live in `inject::dotqmail`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    inject::dotqmail::bouncesaying::run(&inject::process::command_line().1).conclude()
}
