//! mailq(1): lists the messages in the queue: becomes qmail-qread(8), as sendmail(8) does when called by this name.
//!
//! Runs as whoever calls it.
#![forbid(unsafe_code)]

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let _cannot = Command::new(os::home::home().join("bin/qmail-qread")).exec();
    inject::process::say(b"mailq: fatal: unable to run qmail-qread\n");
    ExitCode::from(111)
}
