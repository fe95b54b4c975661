//! A program in qmail-queue's place: descriptor 0 is the message, 1 the envelope, 4 and 6 take a custom text.

use super::Connection;
use crate::verdict::Verdict;
use contracts::queue_exit::{CRASHED_TEXT, CUSTOM_TEXT_MAX_BYTES, LOCAL_ERROR_TEXT, WAIT_FAILED_TEXT};
use queue::door::launch::{LaunchError, Launched, launch};
use std::convert::Infallible;
use std::ffi::OsStr;
use std::io::{PipeReader, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;

/// What is read at once from the error pipe.
const PIECE_BYTES: usize = 4096;

/// A running queue program.
#[derive(Debug)]
pub struct Program {
    child: Child,
    ended: AsyncFd<OwnedFd>,
    message: pipe::Sender,
    envelope: pipe::Sender,
    errors: ErrorText,
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
        errors: ErrorText { pipe: pipe::Receiver::from_owned_fd(errors.into())?, text: Vec::new() },
        failed: false,
    })
}

impl Program {
    /// Sends message bytes.
    pub async fn write(&mut self, bytes: &[u8]) {
        if !self.failed {
            self.failed = self.errors.heard_during(self.message.write_all(bytes)).await.is_err();
        }
    }

    /// Sends the rest and waits for the program's end.
    pub async fn finish(mut self, rest: &[u8], envelope: &[u8]) -> Verdict {
        self.write(rest).await;
        let Self { mut child, ended, message, envelope: mut envelope_pipe, mut errors, mut failed } = self;
        // The program reads the message to its end before it looks at the envelope.
        drop(message);
        if !failed {
            failed = errors.heard_during(envelope_pipe.write_all(envelope)).await.is_err();
        }
        // After trouble the final NUL is missing, and the program queues nothing.
        drop(envelope_pipe);
        let _ = errors.heard_during(ended.readable()).await;
        let qp = u64::from(child.id());
        match child.wait() {
            Err(_) => Verdict::refused(WAIT_FAILED_TEXT),
            Ok(status) => verdict(status, qp, &errors.whole(), failed),
        }
    }

    /// Lets go of it: without the end of the envelope it queues nothing. Its end is awaited in the background.
    pub fn abandon(self) {
        let Self { mut child, ended, message, envelope, mut errors, .. } = self;
        drop((message, envelope));
        tokio::spawn(async move {
            let _ = errors.heard_during(ended.readable()).await;
            let _ = child.wait();
        });
    }
}

/// The error pipe, and the start of what has come out of it. The rest is read and forgotten: a program that says more
/// than the pipe holds would wait for us, who wait for it.
#[derive(Debug)]
struct ErrorText {
    pipe: pipe::Receiver,
    text: Vec<u8>,
}

impl ErrorText {
    /// Listens for as long as `work` takes.
    async fn heard_during<T>(&mut self, work: impl Future<Output = T>) -> T {
        tokio::select! {
            biased;
            done = work => done,
            never = self.hear() => match never {},
        }
    }

    async fn hear(&mut self) -> Infallible {
        let mut piece = [0; PIECE_BYTES];
        while let Ok(count @ 1..) = self.pipe.read(&mut piece).await {
            keep(&mut self.text, piece.get(..count).unwrap_or_default());
        }
        std::future::pending().await
    }

    /// All of it that counts, once the program has ended. The pipe itself is asked: that it can be read may not have
    /// been heard of here, though the end has been. A grandchild may still hold it, so its end is not awaited.
    fn whole(self) -> Vec<u8> {
        let Self { pipe, mut text } = self;
        let Ok(pipe) = pipe.into_nonblocking_fd() else { return text };
        let (mut pipe, mut piece) = (PipeReader::from(pipe), [0; PIECE_BYTES]);
        while text.len() < CUSTOM_TEXT_MAX_BYTES
            && let Ok(count @ 1..) = pipe.read(&mut piece)
        {
            keep(&mut text, piece.get(..count).unwrap_or_default());
        }
        text
    }
}

fn keep(text: &mut Vec<u8>, bytes: &[u8]) {
    let room = CUSTOM_TEXT_MAX_BYTES.saturating_sub(text.len());
    text.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
}

fn verdict(status: ExitStatus, qp: u64, text: &[u8], failed: bool) -> Verdict {
    match status.code().map(u8::try_from) {
        None | Some(Err(_)) => Verdict::refused(CRASHED_TEXT),
        Some(Ok(0)) if failed => Verdict::refused(LOCAL_ERROR_TEXT),
        Some(Ok(code)) => Verdict::from_exit(code, qp, text),
    }
}
