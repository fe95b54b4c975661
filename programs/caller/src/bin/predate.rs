//! predate(1): feeds a program the message with a Date field in local time before it.
//!
//! Runs as whoever calls it. Logic and tests live in `inject::dotqmail`.
#![forbid(unsafe_code)]

use inject::{author::Start, process};
use std::process::ExitCode;

fn main() -> ExitCode {
    let (_, command) = process::command_line();
    let now = Start::now().seconds;
    let ahead = os::local_time::offset_seconds(now);
    inject::dotqmail::predate::run(&command, now, ahead, &mut process::standard_input()).conclude()
}
