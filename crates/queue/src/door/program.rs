//! The door by a program: `QMAILQUEUE` or `bin/qmail-queue`, with the message on its descriptor 0 and the envelope
//! on 1 ([`launch`](super::launch)).

use super::launch::{LaunchError, Launched, launch};
use super::{Accepted, BUFFER_BYTES, Refused, Surroundings, Way};
use contracts::queue_exit::{
    CRASHED_TEXT, CUSTOM_TEXT_MAX_BYTES, LOCAL_ERROR_TEXT, QueueExit, WAIT_FAILED_TEXT,
};
use std::{
    ffi::OsStr,
    io::{self, PipeReader, PipeWriter, Read, Write},
    path::Path,
    process::{Child, Command, Stdio},
};

/// A queue program under way.
#[derive(Debug)]
pub(super) struct Program {
    child: Child,
    message: Option<PipeWriter>,
    envelope: Option<PipeWriter>,
    errors: PipeReader,
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
        Ok(Launched { child, message, envelope, errors }) => Ok(Way::Program(Program {
            child,
            message: Some(message),
            envelope: Some(envelope),
            errors,
            buffer: Vec::with_capacity(BUFFER_BYTES),
            failed: false,
            waited: false,
        })),
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
        self.failed |= pipe.is_none_or(|pipe| pipe.write_all(bytes).is_err());
    }

    pub(super) fn finish(mut self) -> Result<Accepted, Refused> {
        if !self.failed {
            self.flush();
        }
        // Without the final NUL, which a failed hand-off lacks, the child exits 54.
        self.message = None;
        self.envelope = None;
        let qp = u64::from(self.child.id());
        self.waited = true;
        let Ok(status) = self.child.wait() else {
            return Err(Refused::because(WAIT_FAILED_TEXT, qp));
        };
        match status.code().map(u8::try_from) {
            None | Some(Err(_)) => Err(Refused::because(CRASHED_TEXT, qp)),
            Some(Ok(0)) if self.failed => Err(Refused::because(LOCAL_ERROR_TEXT, qp)),
            Some(Ok(0)) => Ok(Accepted { qp }),
            Some(Ok(code)) => Err(Refused::with(code, &self.custom_text(), qp)),
        }
    }

    /// What the child left on the error pipe. It is dead, so this does not wait: a grandchild may hold the other end.
    fn custom_text(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        if nix::fcntl::fcntl(&self.errors, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK))
            .is_ok()
        {
            let _ = (&mut self.errors).take(CUSTOM_TEXT_MAX_BYTES as u64).read_to_end(&mut text);
        }
        text
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.message = None;
        self.envelope = None;
        if !self.waited {
            let _ = self.child.wait();
        }
    }
}
