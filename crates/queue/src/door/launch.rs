//! Starts a program in qmail-queue's place, for both doors: the one that blocks and that of an event loop.
//!
//! Its descriptor 0 is the message and 1 the envelope. 4 and 6 are both the pipe for a custom text: popular filters use the
//! one, notqmail the other; and so is the number in `ERROR_FD`, where its environment has that (contract 16.3).

use nix::errno::Errno;
use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, PipeReader, PipeWriter},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
        unix::{ffi::OsStrExt, process::CommandExt},
    },
    path::Path,
    process::{Child, Command},
};

/// Where a custom text is looked for.
const TEXT_FDS: [RawFd; 2] = [4, 6];

/// The highest number that the child finds a descriptor of ours at; `ERROR_FD` may be 2 to this.
const HIGHEST_FD: RawFd = 9;

/// A running program, and our ends of its pipes.
#[derive(Debug)]
pub struct Launched {
    /// The process.
    pub child: Child,
    /// Its descriptor 0.
    pub message: PipeWriter,
    /// Its descriptor 1.
    pub envelope: PipeWriter,
    /// Where it may leave a custom text.
    pub errors: PipeReader,
}

/// Why a program is not running.
#[derive(Debug)]
pub enum LaunchError {
    /// It cannot be executed.
    NotExecutable,
    /// The QMAIL directory is not there.
    HomeDirectory,
    /// There is no process for it: the caller's own trouble, as a failed fork is.
    NoProcess(io::Error),
}

impl From<io::Error> for LaunchError {
    fn from(error: io::Error) -> Self {
        Self::NoProcess(error)
    }
}

/// Starts `program` in `home`, without a search along PATH; `arrange` sets what else is to be set.
pub fn launch(
    home: &Path,
    program: &OsStr,
    arrange: impl FnOnce(&mut Command) -> io::Result<()>,
) -> Result<Launched, LaunchError> {
    if program.is_empty() {
        return Err(LaunchError::NotExecutable);
    }
    let (message_end, message) = io::pipe()?;
    let (envelope_end, envelope) = io::pipe()?;
    let (errors, errors_end) = io::pipe()?;
    let _held = hold_low_numbers()?;
    let mut spawn = os::process::Spawn::new(without_search(program));
    let command = spawn.command();
    command.arg0(program).current_dir(home);
    command.stdin(OwnedFd::from(message_end)).stdout(OwnedFd::from(envelope_end));
    arrange(command)?;
    let texts = TEXT_FDS.into_iter().chain(error_fd(command).filter(|fd| !TEXT_FDS.contains(fd)));
    let fds: Vec<(BorrowedFd<'_>, RawFd)> = texts.map(|fd| (errors_end.as_fd(), fd)).collect();
    match spawn.start(&fds) {
        Ok(child) => Ok(Launched { child, message, envelope, errors }),
        Err(error) => Err(match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::EAGAIN | Errno::ENOMEM | Errno::EMFILE | Errno::ENFILE) => error.into(),
            _ if !home.is_dir() => LaunchError::HomeDirectory,
            _ => LaunchError::NotExecutable,
        }),
    }
}

/// The number in the child's `ERROR_FD`.
fn error_fd(command: &Command) -> Option<RawFd> {
    let set = command.get_envs().find(|(name, _)| *name == "ERROR_FD").map(|(_, value)| value);
    let value = match set {
        Some(value) => value.map(OsStr::to_os_string),
        None => std::env::var_os("ERROR_FD"),
    };
    let number: RawFd = value?.to_str()?.parse().ok()?;
    (2..=HIGHEST_FD).contains(&number).then_some(number)
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
