//! maildirmake(1): makes a Maildir.
//!
//! Runs as whoever calls it. Logic and tests live in `inject::dotqmail`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    inject::dotqmail::maildirmake::run(&inject::process::command_line().1).conclude()
}
