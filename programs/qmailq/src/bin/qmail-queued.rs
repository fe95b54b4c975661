//! qmail-queued(8): the queue service. Takes messages from local programs on the listening socket that it inherits as
//! descriptor 3 (LISTEN_FDS=1), until TERM or until the descriptor named by QUAIL_LIFELINE_FD reaches its end of file.
//!
//! Runs as qmailq, for as long as the system does. Logic and tests live in crate `queue`.

use nix::sys::{
    signal::{SigSet, Signal},
    signalfd::{SfdFlags, SignalFd},
};
use queue::{Queue, caller::Roles, service::Service, tapping::Tapping};
use std::{
    io::{self, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixListener,
    },
    process::ExitCode,
};

const TEMPORARY: u8 = 111;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "qmail-queued: fatal: {error}");
            ExitCode::from(TEMPORARY)
        }
    }
}

fn run() -> io::Result<()> {
    let lifeline = lifeline();
    let listener = os::process::listening_sockets().into_iter().next();
    let listener = listener.ok_or_else(|| io::Error::other("no listening socket (LISTEN_FDS)"))?;

    // Blocked before there are threads, so that no thread is interrupted; read from the descriptor instead.
    let mut stop = SigSet::empty();
    stop.add(Signal::SIGTERM);
    stop.thread_block()?;
    let stop = SignalFd::with_flags(&stop, SfdFlags::SFD_CLOEXEC)?;
    os::fatal_signal::ignore(Signal::SIGPIPE as i32)?;
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o033));

    let home = os::home::home();
    let opened = Queue::open_with_threads(&home).and_then(|queue| Ok((queue, Roles::of(&home)?)));
    let (queue, roles) = opened.map_err(|error| {
        let why = os::strerror::words_of(&error);
        io::Error::other(format!("unable to open {}: {why}", home.join("queue").display()))
    })?;
    let warn = |words: &str| drop(writeln!(io::stderr(), "qmail-queued: warning: {words}"));
    let service = Service::new(queue.with_taps(Tapping::new(&home, warn)), roles, &home);
    let ends: Vec<_> =
        [Some(stop.as_fd()), lifeline.as_ref().map(OwnedFd::as_fd)].into_iter().flatten().collect();
    service.run(&UnixListener::from(listener), &ends)
}

/// The reading end of a pipe that whoever started us holds: its end of file says that he has gone.
fn lifeline() -> Option<OwnedFd> {
    let number = std::env::var("QUAIL_LIFELINE_FD").ok()?.parse().ok().filter(|n| *n > 2)?;
    os::process::inherited_fd(number)
}
