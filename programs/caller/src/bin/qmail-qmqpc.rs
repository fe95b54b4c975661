//! qmail-qmqpc(8): hand a message over to another host's queue, by QMQP.
//!
//! Has the interface of qmail-queue and runs as its caller. Logic and tests live in crate `qmqp-client`.
#![forbid(unsafe_code)]

use std::fs::File;
use std::process::ExitCode;

fn main() -> ExitCode {
    os::process::ignore_sigpipe();
    let exit = match (os::process::inherited_fd(0), os::process::inherited_fd(1)) {
        (Some(message), Some(envelope)) => qmqp_client::run(File::from(message), File::from(envelope)),
        _ => contracts::QueueExit::ReadError,
    };
    ExitCode::from(exit as u8)
}
