//! One message appended to an mbox file, in the mboxrd form.
//!
//! ```text
//! open for append, creating it
//! lock (flock)                  without a lock nothing is written
//! note the length
//! complete a last line that a crash cut off
//! append heading, quoted message, empty line; sync
//! ```
//!
//! A failure after the lock cuts the file back to the noted length. A crash of the machine in
//! between can leave the beginning of a message at the end of the file. It stays, since others may
//! have written below it by then; but the next message begins on a line of its own, where readers see
//! it. (The original glued it to what was there.)

use std::fs::{File, TryLockError};
use std::io::{self, Write as _};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant};

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use nix::unistd::fsync;

use crate::Heading;
use crate::copy::{Pieces, block_bytes};
use crate::quoting::Quoting;

/// How long another holder of the lock is waited for.
pub const LOCK_LIMIT: Duration = Duration::from_secs(30);

/// The pause between two tries for the lock grows from the first to the second.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Why a message did not get into an mbox. Every one of them may pass.
#[derive(Debug, thiserror::Error)]
pub enum MboxError {
    /// The file could not be opened or created.
    #[error("cannot open the mbox")]
    Open(#[source] io::Error),
    /// Somebody held the lock for longer than [`LOCK_LIMIT`].
    #[error("the mbox stayed locked")]
    Locked,
    /// The file system cannot lock, or not now. The original went on without.
    #[error("cannot lock the mbox")]
    Lock(#[source] io::Error),
    /// The message could not be read.
    #[error("cannot read the message")]
    Read(#[source] io::Error),
    /// Appending or syncing failed.
    #[error("cannot write the mbox")]
    Write(#[source] io::Error),
}

/// Appends `message` to the mbox at `path`, which is taken relative to `home`.
///
/// `Ok` is returned only after it is on stable storage.
pub fn deliver(
    home: BorrowedFd<'_>,
    path: &[u8],
    heading: &Heading<'_>,
    message: &File,
) -> Result<(), MboxError> {
    let mut file = open(home, path).map_err(MboxError::Open)?;
    lock(&file, LOCK_LIMIT)?;
    let length = file.metadata().map_err(MboxError::Write)?.len();
    let before: &[u8] = if ends_inside_a_line(&file, length) { b"\n\n" } else { b"" };
    let appended = append(&mut file, before, heading, message)
        .and_then(|()| file.sync_all().map_err(MboxError::Write))
        // An empty file may be a new one, whose name must be as durable as its contents.
        .and_then(|()| if length == 0 { sync_directory(home, path) } else { Ok(()) });
    if appended.is_err() {
        // Nothing better can be done when this fails too: the lock is ours, the error is told.
        let _ = file.set_len(length);
    }
    appended
    // Closing the file gives the lock back.
}

/// For reading too where we may, to see how the file ends.
fn open(home: BorrowedFd<'_>, path: &[u8]) -> io::Result<File> {
    let open = |access| {
        let flags = access | OFlag::O_APPEND | OFlag::O_CREAT | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        openat(home, path, flags, Mode::from_bits_truncate(0o600))
    };
    let file = open(OFlag::O_RDWR).or_else(|error| match error {
        nix::Error::EACCES | nix::Error::EPERM => open(OFlag::O_WRONLY),
        _ => Err(error),
    });
    Ok(File::from(file?))
}

/// False also where it cannot be known.
fn ends_inside_a_line(file: &File, length: u64) -> bool {
    let mut last = [b'\n'];
    let read = length.checked_sub(1).map(|at| file.read_at(&mut last, at));
    matches!(read, Some(Ok(1))) && last != *b"\n"
}

fn lock(file: &File, limit: Duration) -> Result<(), MboxError> {
    let began = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if began.elapsed() >= limit => return Err(MboxError::Locked),
            Err(TryLockError::WouldBlock) => {
                std::thread::sleep(pause);
                pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
            }
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(TryLockError::Error(error)) => return Err(MboxError::Lock(error)),
        }
    }
}

fn append(file: &mut File, before: &[u8], heading: &Heading<'_>, message: &File) -> Result<(), MboxError> {
    let room = block_bytes(message, 0);
    let mut pieces = Pieces::new(message);
    let mut quoting = Quoting::default();
    let mut piece = Vec::with_capacity(room);
    let mut out = Vec::with_capacity(room);
    out.extend_from_slice(before);
    out.extend_from_slice(heading.from_line);
    out.extend_from_slice(heading.return_path);
    out.extend_from_slice(heading.delivered_to);
    while pieces.append_to(&mut piece, room).map_err(MboxError::Read)? > 0 {
        quoting.push(&piece, &mut out);
        piece.clear();
        if out.len() >= room {
            file.write_all(&out).map_err(MboxError::Write)?;
            out.clear();
        }
    }
    quoting.finish(&mut out);
    file.write_all(&out).map_err(MboxError::Write)
}

fn sync_directory(home: BorrowedFd<'_>, path: &[u8]) -> Result<(), MboxError> {
    let parent = match memchr::memrchr(b'/', path) {
        Some(slash) => path.get(..=slash).unwrap_or(b"."),
        None => b".",
    };
    match openat(home, parent, OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()) {
        Ok(directory) => fsync(&directory).map_err(|error| MboxError::Write(error.into())),
        // A directory that may be written but not read cannot be synced by us.
        Err(nix::Error::EACCES) => Ok(()),
        Err(error) => Err(MboxError::Write(error.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::fd::AsFd as _;
    use std::os::unix::fs::PermissionsExt as _;

    const HEADING: Heading<'_> = Heading {
        from_line: b"From s@x Thu Jan 01 00:00:00 1970\n",
        return_path: b"Return-Path: <s@x>\n",
        delivered_to: b"Delivered-To: joe@host\n",
    };

    fn message(text: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text).unwrap();
        file
    }

    #[test]
    fn messages_follow_one_another() {
        let home = tempfile::tempdir().unwrap();
        let directory = File::open(home.path()).unwrap();
        for text in [&b"Subject: a\n\nFrom me\n"[..], b"no newline"] {
            deliver(directory.as_fd(), b"./Mailbox", &HEADING, &message(text)).unwrap();
        }
        let head = "From s@x Thu Jan 01 00:00:00 1970\nReturn-Path: <s@x>\nDelivered-To: joe@host\n";
        let file = home.path().join("Mailbox");
        assert_eq!(
            fs::read_to_string(&file).unwrap(),
            format!("{head}Subject: a\n\n>From me\n\n{head}no newline\n\n")
        );
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
    }

    #[test]
    fn a_large_message_goes_through_small_buffers() {
        let home = tempfile::tempdir().unwrap();
        let directory = File::open(home.path()).unwrap();
        let text = b"From a line of text\n".repeat(20_000);
        deliver(directory.as_fd(), b"box", &HEADING, &message(&text)).unwrap();
        let stored = fs::read(home.path().join("box")).unwrap();
        let head = HEADING.from_line.len() + HEADING.return_path.len() + HEADING.delivered_to.len();
        assert_eq!(stored.len(), head + text.len() + 20_000 + 1);
    }

    #[test]
    fn a_failure_leaves_the_file_as_it_was() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("box"), "old\n").unwrap();
        let directory = File::open(home.path()).unwrap();
        let error = deliver(directory.as_fd(), b"box", &HEADING, &directory).unwrap_err();
        assert!(matches!(error, MboxError::Read(_)), "{error:?}");
        assert_eq!(fs::read(home.path().join("box")).unwrap(), b"old\n");
    }

    #[test]
    fn a_line_that_a_crash_cut_off_does_not_swallow_the_next_message() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("box");
        let directory = File::open(home.path()).unwrap();
        for (before, between) in [("From a\n\nhalf a li", "\n\n"), ("whole line\n", ""), ("", "")] {
            fs::write(&path, before).unwrap();
            deliver(directory.as_fd(), b"box", &HEADING, &message(b"x\n")).unwrap();
            let stored = fs::read_to_string(&path).unwrap();
            assert!(stored.starts_with(&format!("{before}{between}From s@x ")), "{stored}");
        }
    }

    #[test]
    fn a_locked_file_is_not_written() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("box");
        let holder = File::create(&path).unwrap();
        holder.lock().unwrap();
        let other = File::open(&path).unwrap();
        assert!(matches!(lock(&other, Duration::ZERO), Err(MboxError::Locked)));
        holder.unlock().unwrap();
        lock(&other, Duration::ZERO).unwrap();
    }

    #[test]
    fn what_cannot_be_opened_is_said() {
        let home = tempfile::tempdir().unwrap();
        let directory = File::open(home.path()).unwrap();
        for path in [&b"."[..], b"./missing/box"] {
            let error = deliver(directory.as_fd(), path, &HEADING, &message(b"x")).unwrap_err();
            assert!(matches!(error, MboxError::Open(_)), "{error:?}");
        }
    }

    #[test]
    fn deliveries_at_once_do_not_mix() {
        let home = tempfile::tempdir().unwrap();
        let directory = File::open(home.path()).unwrap();
        let text = b"line\n".repeat(40_000);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| deliver(directory.as_fd(), b"box", &HEADING, &message(&text)).unwrap());
            }
        });
        let stored = fs::read_to_string(home.path().join("box")).unwrap();
        let one = format!(
            "From s@x Thu Jan 01 00:00:00 1970\nReturn-Path: <s@x>\nDelivered-To: joe@host\n{}\n",
            "line\n".repeat(40_000)
        );
        assert_eq!(stored, one.repeat(4));
    }
}
