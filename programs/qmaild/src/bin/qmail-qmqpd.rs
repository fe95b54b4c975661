//! qmail-qmqpd(8): receive mail by QMQP.
//!
//! Runs as qmaild under tcpserver or the like, on descriptors 0 and 1. Logic and tests live in crate `receive`.
#![forbid(unsafe_code)]

use receive::netstrings::{Protocol, classic};
use std::process::ExitCode;

fn main() -> ExitCode {
    os::process::ignore_sigpipe();
    let code = match (os::process::inherited_fd(0), os::process::inherited_fd(1)) {
        (Some(input), Some(output)) => classic::run(Protocol::Qmqp, input, output),
        _ => 111,
    };
    ExitCode::from(code)
}
