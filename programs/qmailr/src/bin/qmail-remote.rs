//! qmail-remote(8): delivers messages to other hosts by SMTP.
//!
//! Runs as qmailr. `qmail-remote HOST SENDER RECIP [RECIP ...]` makes one delivery; `qmail-remote --worker` makes
//! those that qmail-rspawn asks for on descriptor 0. Logic and tests live in crate `deliver-remote`.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<Vec<u8>> = std::env::args_os().skip(1).map(OsStringExt::into_vec).collect();
    let home = os::home::home();
    let descriptor = os::process::inherited_fd(0);
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return ExitCode::from(111);
    };
    if arguments == [b"--worker"] {
        let Some(socket) = descriptor else { return ExitCode::from(111) };
        let served = tokio::task::LocalSet::new()
            .block_on(&runtime, async { deliver_remote::worker::serve(&home, socket).await });
        return if served.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(111) };
    }
    let message = descriptor.map(File::from).map_or_else(|| File::open("/dev/null"), Ok);
    let Ok(message) = message else { return ExitCode::from(111) };
    runtime.block_on(deliver_remote::classic::run(&home, arguments.into_iter(), message, &mut io::stdout()));
    ExitCode::SUCCESS
}
