//! A program in qmail-queue's place: descriptor 0 is the message, 1 the envelope, 4 and 6 take a custom text.

use super::Connection;
use crate::verdict::Verdict;
use contracts::queue_exit::{CRASHED_TEXT, CUSTOM_TEXT_MAX_BYTES, LOCAL_ERROR_TEXT, WAIT_FAILED_TEXT};
use nix::errno::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;

/// The highest number at which the child finds a descriptor of ours.
const HIGHEST_FD: i32 = 6;

/// Why a program is not running.
#[derive(Debug)]
pub enum StartError {
    /// It cannot be executed.
    NotExecutable,
    /// There is no process for it.
    NoProcess(io::Error),
}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> Self {
        Self::NoProcess(error)
    }
}

/// A running queue program.
#[derive(Debug)]
pub struct Program {
    child: Child,
    ended: AsyncFd<OwnedFd>,
    message: pipe::Sender,
    envelope: pipe::Sender,
    errors: pipe::Receiver,
    failed: bool,
}

/// Starts `program`, which is not searched for: a relative name is relative to `home`.
pub fn start(home: &Path, program: &OsStr, over: Option<&Connection>) -> Result<Program, StartError> {
    if program.is_empty() {
        return Err(StartError::NotExecutable);
    }
    let _held = hold_low_numbers()?;
    let (message_end, message) = io::pipe()?;
    let (envelope_end, envelope) = io::pipe()?;
    let (errors, errors_end) = io::pipe()?;
    let mut spawn = os::process::Spawn::new(without_search(program));
    let command = spawn.command();
    command.arg0(program).current_dir(home);
    command.stdin(OwnedFd::from(message_end)).stdout(OwnedFd::from(envelope_end)).stderr(Stdio::inherit());
    if let Some(over) = over {
        for name in over.environment.unset() {
            command.env_remove(name);
        }
        for (name, value) in over.environment.variables() {
            command.env(OsStr::from_bytes(name), OsStr::from_bytes(value));
        }
    }
    let child = match spawn.start(&[(errors_end.as_fd(), 4), (errors_end.as_fd(), HIGHEST_FD)]) {
        Ok(child) => child,
        Err(error) => {
            return Err(match error.raw_os_error().map(Errno::from_raw) {
                Some(Errno::EAGAIN | Errno::ENOMEM | Errno::EMFILE | Errno::ENFILE) => error.into(),
                _ => StartError::NotExecutable,
            });
        }
    };
    // An owned descriptor keeps its number for as long as it lives, which is what the new, unsafe form asks for.
    #[expect(deprecated)]
    let ended = AsyncFd::new(os::child::exit_descriptor(&child)?)?;
    Ok(Program {
        ended,
        child,
        message: pipe::Sender::from_owned_fd(message.into())?,
        envelope: pipe::Sender::from_owned_fd(envelope.into())?,
        errors: pipe::Receiver::from_owned_fd(errors.into())?,
        failed: false,
    })
}

impl Program {
    /// Sends message bytes.
    pub async fn write(&mut self, bytes: &[u8]) {
        if !self.failed {
            self.failed = self.message.write_all(bytes).await.is_err();
        }
    }

    /// Sends the rest and waits for the program's end.
    pub async fn finish(mut self, rest: &[u8], envelope: &[u8]) -> Verdict {
        self.write(rest).await;
        let Self { mut child, ended, message, envelope: mut envelope_pipe, mut errors, mut failed } = self;
        // The program reads the message to its end before it looks at the envelope.
        drop(message);
        if !failed {
            failed = envelope_pipe.write_all(envelope).await.is_err();
        }
        // After trouble the final NUL is missing, and the program queues nothing.
        drop(envelope_pipe);
        let text = wait_and_read(&ended, &mut errors).await;
        let qp = u64::from(child.id());
        match child.wait() {
            Err(_) => Verdict::refused(WAIT_FAILED_TEXT),
            Ok(status) => verdict(status, qp, &text, failed),
        }
    }

    /// Lets go of it: without the end of the envelope it queues nothing. Its end is awaited in the background.
    pub fn abandon(self) {
        let Self { mut child, ended, message, envelope, errors, .. } = self;
        drop((message, envelope));
        tokio::spawn(async move {
            let _ = ended.readable().await;
            let _ = child.wait();
            drop(errors);
        });
    }
}

/// Waits for the end of the program; keeps the start of what it says on the error pipe and swallows the rest, so
/// that it never blocks there.
async fn wait_and_read(ended: &AsyncFd<OwnedFd>, errors: &mut pipe::Receiver) -> Vec<u8> {
    let mut text = Vec::new();
    let mut buffer = [0u8; 512];
    let mut open = true;
    let mut keep = |bytes: &[u8]| {
        let room = CUSTOM_TEXT_MAX_BYTES.saturating_sub(text.len());
        text.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    };
    loop {
        tokio::select! {
            _ = ended.readable() => break,
            read = errors.read(&mut buffer), if open => match read {
                Ok(0) | Err(_) => open = false,
                Ok(n) => keep(buffer.get(..n).unwrap_or_default()),
            },
        }
    }
    // What it said last; a grandchild may still hold the pipe, so its end is not awaited.
    while let Ok(n @ 1..) = errors.try_read(&mut buffer) {
        keep(buffer.get(..n).unwrap_or_default());
    }
    text
}

fn verdict(status: ExitStatus, qp: u64, text: &[u8], failed: bool) -> Verdict {
    match status.code().map(u8::try_from) {
        None | Some(Err(_)) => Verdict::refused(CRASHED_TEXT),
        Some(Ok(0)) if failed => Verdict::refused(LOCAL_ERROR_TEXT),
        Some(Ok(code)) => Verdict::from_exit(code, qp, text),
    }
}

/// A name without a slash is one in the directory, never one of PATH.
fn without_search(program: &OsStr) -> OsString {
    if program.as_bytes().contains(&b'/') {
        return program.to_os_string();
    }
    let mut here = OsString::from("./");
    here.push(program);
    here
}

/// Occupies the free numbers up to [`HIGHEST_FD`] while a child is started: the standard library tells of a failed
/// exec on a pipe of its own, which must not get a number that the child's descriptors are then put on.
fn hold_low_numbers() -> io::Result<Vec<File>> {
    let mut held = Vec::new();
    for _ in 0..=HIGHEST_FD {
        let file = File::open("/dev/null")?;
        let high = file.as_raw_fd() > HIGHEST_FD;
        held.push(file);
        if high {
            break;
        }
    }
    Ok(held)
}
