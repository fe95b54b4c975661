//! The classic form: one process a delivery, its output on a pipe.
//!
//! A delivery is over when the pipe has reached its end and the child is dead. A grandchild that keeps the pipe
//! open delays the report, as in the original.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Child, ExitStatus};

use os::process::Spawn;

/// How a child ended.
#[derive(Debug)]
pub struct Ending {
    /// Exit code or signal.
    pub status: ExitStatus,
    /// What it printed, to the limit given at its start.
    pub output: Vec<u8>,
}

/// Which of the child's descriptors lead into the output pipe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Capture {
    /// 1 and 2.
    OutputAndErrors,
    /// 1 alone; 2 is /dev/null.
    Output,
}

/// Cannot start a child, because …
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No pipe.
    #[error("cannot create a pipe")]
    Pipe(#[source] io::Error),
    /// No process, or the program does not execute.
    #[error("cannot run the program")]
    Run(#[source] io::Error),
}

/// A running child.
#[derive(Debug)]
pub(crate) struct Running<T> {
    pub ticket: T,
    child: Child,
    end: OwnedFd,
    pipe: Option<File>,
    output: Vec<u8>,
    output_max_bytes: usize,
    status: Option<ExitStatus>,
}

impl<T> Running<T> {
    pub fn start(
        ticket: T,
        spawn: Spawn,
        message: Option<BorrowedFd<'_>>,
        capture: Capture,
        output_max_bytes: usize,
    ) -> Result<Self, (StartError, T)> {
        let (reader, writer) = match io::pipe() {
            Ok(pair) => pair,
            Err(error) => return Err((StartError::Pipe(error), ticket)),
        };
        let mut fds = vec![(writer.as_fd(), 1)];
        if capture == Capture::OutputAndErrors {
            fds.push((writer.as_fd(), 2));
        }
        fds.extend(message.map(|message| (message, 0)));
        let started = os::packet::set_nonblocking(&reader, true).and_then(|()| spawn.start(&fds));
        let mut child = match started {
            Ok(child) => child,
            Err(error) => return Err((StartError::Run(error), ticket)),
        };
        match os::child::exit_descriptor(&child) {
            Ok(end) => Ok(Self {
                ticket,
                child,
                end,
                pipe: Some(File::from(OwnedFd::from(reader))),
                output: Vec::new(),
                output_max_bytes,
                status: None,
            }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err((StartError::Run(error), ticket))
            }
        }
    }

    /// What to poll for reading.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        match &self.pipe {
            Some(pipe) => pipe.as_fd(),
            None => self.end.as_fd(),
        }
    }

    /// Its descriptor is ready. The pipe comes first: while it is open the child's death changes nothing.
    pub fn ready(&mut self) {
        let mut piece = [0; 4096];
        if let Some(pipe) = &mut self.pipe {
            match pipe.read(&mut piece) {
                Ok(0) => self.pipe = None,
                Ok(count) => {
                    let room = self.output_max_bytes.saturating_sub(self.output.len());
                    self.output.extend(piece.iter().take(count.min(room)));
                }
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(_) => self.pipe = None,
            }
        }
        if self.pipe.is_none() {
            self.status = self.child.try_wait().ok().flatten();
        }
    }

    pub fn is_over(&self) -> bool {
        self.status.is_some()
    }

    pub fn into_ending(self) -> Option<(T, Ending)> {
        self.status.map(|status| (self.ticket, Ending { status, output: self.output }))
    }
}
