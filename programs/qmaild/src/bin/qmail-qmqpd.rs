//! qmail-qmqpd(8): receive mail by QMQP.
//!
//! Runs as qmaild. Without arguments it serves one client on descriptors 0 and 1; with `--listen` many, on listening
//! sockets by the LISTEN_FDS convention. Logic and tests live in crate `receive`.
#![forbid(unsafe_code)]

use receive::listener::{self, Language};
use receive::netstrings::{Protocol, classic};
use std::process::ExitCode;

fn main() -> ExitCode {
    os::process::ignore_sigpipe();
    let listen = std::env::args_os().nth(1).is_some_and(|argument| argument == "--listen");
    let code = if listen {
        listener::run(os::process::listening_sockets(), Language::Netstrings(Protocol::Qmqp))
    } else {
        match (os::process::inherited_fd(0), os::process::inherited_fd(1)) {
            (Some(input), Some(output)) => classic::run(Protocol::Qmqp, input, output),
            _ => 111,
        }
    };
    ExitCode::from(code)
}
