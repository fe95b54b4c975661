//! The door by a program: `QMAILQUEUE` or `bin/qmail-queue`, with the message on its descriptor 0 and the envelope
//! on 1 ([`launch`](super::launch)).

use super::error_text::ErrorText;
use super::launch::{LaunchError, Launched, launch};
use super::{Accepted, BUFFER_BYTES, Refused, Surroundings, Way};
use contracts::queue_exit::{CRASHED_TEXT, LOCAL_ERROR_TEXT, QueueExit, WAIT_FAILED_TEXT};
use nix::poll::PollFlags;
use std::{
    ffi::OsStr,
    io::{self, PipeWriter, Write},
    os::fd::AsFd,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
};

/// A queue program under way.
#[derive(Debug)]
pub(super) struct Program {
    child: Child,
    message: Option<PipeWriter>,
    envelope: Option<PipeWriter>,
    errors: ErrorText,
    buffer: Vec<u8>,
    failed: bool,
    waited: bool,
}

/// Starts `program` in `home`.
pub(super) fn start(home: &Path, program: &OsStr, around: &Surroundings<'_>) -> io::Result<Way> {
    let arrange = |command: &mut Command| {
        command.stderr(match around.errors {
            Some(errors) => Stdio::from(errors.try_clone_to_owned()?),
            None => Stdio::inherit(),
        });
        if let Some(environment) = around.environment {
            command.env_clear().envs(environment.iter().map(|(name, value)| (name, value)));
        }
        Ok(())
    };
    match launch(home, program, arrange) {
        Ok(Launched { child, message, envelope, errors }) => {
            for pipe in [&message, &envelope] {
                os::packet::set_nonblocking(pipe, true)?;
            }
            Ok(Way::Program(Program {
                child,
                message: Some(message),
                envelope: Some(envelope),
                errors: ErrorText::of(errors)?,
                buffer: Vec::with_capacity(BUFFER_BYTES),
                failed: false,
                waited: false,
            }))
        }
        Err(LaunchError::NoProcess(error)) => Err(error),
        Err(LaunchError::HomeDirectory) => Ok(Way::Impossible(QueueExit::HomeDirectory)),
        Err(LaunchError::NotExecutable) => Ok(Way::Impossible(QueueExit::NotExecutable)),
    }
}

impl Program {
    pub(super) fn put(&mut self, bytes: &[u8]) {
        if self.failed {
            return;
        }
        if self.buffer.len().saturating_add(bytes.len()) > BUFFER_BYTES {
            self.flush();
        }
        if bytes.len() >= BUFFER_BYTES {
            self.write(bytes);
        } else {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The child reads its descriptor 0 to the end before it looks at the envelope.
    pub(super) fn end_message(&mut self) {
        self.flush();
        self.message = None;
    }

    pub(super) fn fail(&mut self) {
        self.failed = true;
    }

    fn flush(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        self.write(&buffer);
        self.buffer = buffer;
        self.buffer.clear();
    }

    fn write(&mut self, bytes: &[u8]) {
        let pipe = self.message.as_mut().or(self.envelope.as_mut());
        self.failed |= pipe.is_none_or(|pipe| write_all(pipe, bytes, &mut self.errors).is_err());
    }

    pub(super) fn finish(mut self) -> Result<Accepted, Refused> {
        if !self.failed {
            self.flush();
        }
        // Without the final NUL, which a failed hand-off lacks, the child exits 54.
        self.message = None;
        self.envelope = None;
        let qp = u64::from(self.child.id());
        let Ok(status) = self.wait() else {
            return Err(Refused::because(WAIT_FAILED_TEXT, qp));
        };
        match status.code().map(u8::try_from) {
            None | Some(Err(_)) => Err(Refused::because(CRASHED_TEXT, qp)),
            Some(Ok(0)) if self.failed => Err(Refused::because(LOCAL_ERROR_TEXT, qp)),
            Some(Ok(0)) => Ok(Accepted { qp }),
            Some(Ok(code)) => Err(Refused::with(code, self.errors.whole(), qp)),
        }
    }

    /// Waits for the end of the child, and listens to it until then. Whatever comes of the listening, the child's status
    /// is what counts: it may have queued the message.
    fn wait(&mut self) -> io::Result<ExitStatus> {
        self.waited = true;
        if let Ok(end) = os::child::exit_descriptor(&self.child) {
            let _ = self.errors.hear_until(end.as_fd(), PollFlags::POLLIN);
        }
        self.child.wait()
    }
}

/// Writes to a child that may be saying something before it reads on.
fn write_all(pipe: &mut PipeWriter, mut bytes: &[u8], errors: &mut ErrorText) -> io::Result<()> {
    while !bytes.is_empty() {
        match pipe.write(bytes) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                errors.hear_until(pipe.as_fd(), PollFlags::POLLOUT)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl Drop for Program {
    fn drop(&mut self) {
        self.message = None;
        self.envelope = None;
        if !self.waited {
            let _ = self.wait();
        }
    }
}
