//! A program in qmail-queue's place: descriptor 0 is the message, 1 the envelope, 4 and 6 take a custom text.

use super::Connection;
use crate::verdict::Verdict;
use contracts::queue_exit::{CRASHED_TEXT, CUSTOM_TEXT_MAX_BYTES, LOCAL_ERROR_TEXT, WAIT_FAILED_TEXT};
use queue::door::launch::{LaunchError, Launched, launch};
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;

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
pub fn start(home: &Path, program: &OsStr, over: Option<&Connection>) -> Result<Program, LaunchError> {
    let arrange = |command: &mut Command| {
        if let Some(over) = over {
            for name in over.environment.unset() {
                command.env_remove(name);
            }
            for (name, value) in over.environment.variables() {
                command.env(OsStr::from_bytes(name), OsStr::from_bytes(value));
            }
        }
        Ok(())
    };
    let Launched { child, message, envelope, errors } = launch(home, program, arrange)?;
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
