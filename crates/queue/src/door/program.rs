//! The door by a program: `QMAILQUEUE` or `bin/qmail-queue`, with the message on its descriptor 0 and the envelope
//! on 1.
//!
//! Descriptors 4 and 6 are both the pipe for a custom text: popular filters use the one, notqmail the other.

use super::{Accepted, BUFFER_BYTES, Refused, Surroundings, Way};
use contracts::queue_exit::{
    CRASHED_TEXT, CUSTOM_TEXT_MAX_BYTES, LOCAL_ERROR_TEXT, QueueExit, WAIT_FAILED_TEXT,
};
use nix::errno::Errno;
use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, PipeReader, PipeWriter, Read, Write},
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::{ffi::OsStrExt, process::CommandExt},
    },
    path::Path,
    process::{Child, Stdio},
};

/// The highest number that the child finds a descriptor of ours at.
const HIGHEST_FD: i32 = 6;

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

/// Starts `program` in `home`, without a search along PATH.
pub(super) fn start(home: &Path, program: &OsStr, around: &Surroundings<'_>) -> io::Result<Way> {
    if program.is_empty() {
        return Ok(Way::Impossible(QueueExit::NotExecutable));
    }
    let (message_end, message) = io::pipe()?;
    let (envelope_end, envelope) = io::pipe()?;
    let (errors, errors_end) = io::pipe()?;
    let _held = hold_low_numbers()?;

    let mut spawn = os::process::Spawn::new(without_search(program));
    spawn.command().arg0(program).current_dir(home);
    spawn.command().stdin(OwnedFd::from(message_end)).stdout(OwnedFd::from(envelope_end));
    spawn.command().stderr(match around.errors {
        Some(errors) => Stdio::from(errors.try_clone_to_owned()?),
        None => Stdio::inherit(),
    });
    if let Some(environment) = around.environment {
        spawn.command().env_clear().envs(environment.iter().map(|(name, value)| (name, value)));
    }
    match spawn.start(&[(errors_end.as_fd(), 4), (errors_end.as_fd(), HIGHEST_FD)]) {
        Ok(child) => Ok(Way::Program(Program {
            child,
            message: Some(message),
            envelope: Some(envelope),
            errors,
            buffer: Vec::with_capacity(BUFFER_BYTES),
            failed: false,
            waited: false,
        })),
        Err(error) => match error.raw_os_error().map(Errno::from_raw) {
            // No process: the caller's own trouble, as a failed fork is.
            Some(Errno::EAGAIN | Errno::ENOMEM | Errno::EMFILE | Errno::ENFILE) => Err(error),
            _ if !home.is_dir() => Ok(Way::Impossible(QueueExit::HomeDirectory)),
            _ => Ok(Way::Impossible(QueueExit::NotExecutable)),
        },
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
