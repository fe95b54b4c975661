//! qmail-smtpd(8): receive mail by SMTP.
//!
//! Runs as qmaild and talks to the Internet. Without arguments it holds one session on descriptors 0 and 1; with
//! `--listen` it serves many, on listening sockets by the LISTEN_FDS convention. Logic and tests live in crate
//! `receive`.
#![forbid(unsafe_code)]

use receive::listener::{self, Language};
use std::process::ExitCode;

fn main() -> ExitCode {
    os::process::ignore_sigpipe();
    let listen = std::env::args_os().nth(1).is_some_and(|argument| argument == "--listen");
    let code = if listen {
        listener::run(os::process::listening_sockets(), Language::Smtp)
    } else {
        match (os::process::inherited_fd(0), os::process::inherited_fd(1)) {
            (Some(input), Some(output)) => receive::classic::run(input, output),
            _ => 1,
        }
    };
    ExitCode::from(code)
}
