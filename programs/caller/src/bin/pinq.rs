//! pinq(1): moves new mail from the Maildir to the mbox and becomes pine(1).
//!
//! Runs as whoever calls it. Logic lives in `inject::mail_readers`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    let (_, arguments) = inject::process::command_line();
    inject::mail_readers::run("pinq", &os::home::home().join("bin"), "pine", &arguments).conclude()
}
