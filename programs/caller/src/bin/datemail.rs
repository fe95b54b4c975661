//! datemail(1): sendmail(8) with a Date field in local time: becomes `predate sendmail ARGUMENTS`.
//!
//! Runs as whoever calls it.
#![forbid(unsafe_code)]

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let bin = os::home::home().join("bin");
    let _cannot =
        Command::new(bin.join("predate")).arg(bin.join("sendmail")).args(std::env::args_os().skip(1)).exec();
    inject::process::say(b"datemail: fatal: unable to run predate\n");
    ExitCode::from(111)
}
