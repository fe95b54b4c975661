//! The checks that a command must pass before anybody acts on it (contract 5.3).
//!
//! `qmail-send` is not trusted: whoever takes it over must not gain another account through a spawner. So the
//! message has to be a regular file of qmailq below `queue/mess`, named by digits.

use std::fs::File;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::MetadataExt;

use contracts::spawn::Command;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;

/// The longest message name, with the NUL that ends it on the wire.
const NAME_MAX_BYTES: usize = 100;

/// A command that passed.
#[derive(Debug)]
pub struct Job {
    /// Where the report goes.
    pub slot: u16,
    /// `HASH/ID`: the same for the same message.
    pub message_name: Vec<u8>,
    /// Envelope sender.
    pub sender: Vec<u8>,
    /// Recipient; it has an `@`.
    pub recipient: Vec<u8>,
    /// The message, opened afresh, at its start.
    pub message: File,
    at: usize,
}

impl Job {
    /// What stands before the last `@`.
    pub fn local(&self) -> &[u8] {
        self.recipient.get(..self.at).unwrap_or_default()
    }

    /// What stands behind the last `@`.
    pub fn domain(&self) -> &[u8] {
        self.recipient.get(self.at.saturating_add(1)..).unwrap_or_default()
    }
}

/// The report for a command that did not pass: letter and text.
pub type Refusal = &'static [u8];

/// No pipe for a child.
pub const NO_PIPE: Refusal = b"Zqmail-spawn unable to create pipe. (#4.3.0)\n";
/// No child.
pub const NO_FORK: Refusal = b"Zqmail-spawn unable to fork. (#4.3.0)\n";

/// Makes a job of a command, or says what is wrong with it. `in_use` tells of the slot; `None` when there is no such slot.
pub fn check(
    command: Command,
    in_use: Option<bool>,
    mess: BorrowedFd<'_>,
    queue_owner: u32,
) -> Result<Job, Refusal> {
    let in_use = in_use.ok_or(b"ZInternal error: delnum too big. (#4.3.5)\n".as_slice())?;
    if in_use {
        return Err(b"ZInternal error: delnum in use. (#4.3.5)\n");
    }
    check_name(&command.message)?;
    let at = command
        .recipient
        .iter()
        .rposition(|&b| b == b'@')
        .ok_or(b"DSorry, address must include host name. (#5.1.3)\n".as_slice())?;
    let message = open(mess, &command.message, queue_owner)?;
    let Command { slot, message: message_name, sender, recipient } = command;
    Ok(Job { slot, message_name, sender, recipient, message, at })
}

fn check_name(name: &[u8]) -> Result<(), Refusal> {
    let digits = |(at, byte): (usize, &u8)| byte.is_ascii_digit() || (*byte == b'/' && at > 0);
    if !name.iter().enumerate().all(digits) {
        return Err(b"DInternal error: messid has nonnumerics. (#5.3.5)\n");
    }
    if name.len() >= NAME_MAX_BYTES {
        return Err(b"DInternal error: messid too long. (#5.3.5)\n");
    }
    if name.is_empty() {
        return Err(b"DInternal error: messid too short. (#5.3.5)\n");
    }
    Ok(())
}

fn open(mess: BorrowedFd<'_>, name: &[u8], queue_owner: u32) -> Result<File, Refusal> {
    // Not waiting for a FIFO's writer; not through a symbolic link, which qmail-queue never makes.
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let message = openat(mess, name, flags, Mode::empty())
        .map(File::from)
        .map_err(|_| b"Zqmail-spawn unable to open message. (#4.3.0)\n".as_slice())?;
    let metadata =
        message.metadata().map_err(|_| b"Zqmail-spawn unable to fstat message. (#4.3.0)\n".as_slice())?;
    if !metadata.is_file() {
        return Err(b"ZSorry, message has wrong type. (#4.3.5)\n");
    }
    if metadata.uid() != queue_owner {
        return Err(b"ZSorry, message has wrong owner. (#4.3.5)\n");
    }
    Ok(message)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use proptest::prelude::*;

    use super::*;

    struct Queue {
        dir: tempfile::TempDir,
        mess: File,
        owner: u32,
    }

    fn queue() -> Queue {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("5/7")).unwrap();
        std::fs::write(dir.path().join("5/12"), "message").unwrap();
        std::os::unix::fs::symlink("12", dir.path().join("5/13")).unwrap();
        nix::unistd::mkfifo(&dir.path().join("5/14"), Mode::S_IRUSR).unwrap();
        let mess = File::open(dir.path()).unwrap();
        let owner = mess.metadata().unwrap().uid();
        Queue { dir, mess, owner }
    }

    fn command(slot: u16, message: &[u8], recipient: &[u8]) -> Command {
        Command { slot, message: message.to_vec(), sender: b"s@x".to_vec(), recipient: recipient.to_vec() }
    }

    #[test]
    fn refusals_in_their_order() {
        let queue = queue();
        let long = [b'1'; 100];
        let rows: [(u16, &[u8], &[u8], &str); 14] = [
            (120, b"x", b"x", "ZInternal error: delnum too big. (#4.3.5)\n"),
            (7, b"x", b"x", "ZInternal error: delnum in use. (#4.3.5)\n"),
            (0, b"5/x", b"x", "DInternal error: messid has nonnumerics. (#5.3.5)\n"),
            (0, b"../1", b"x", "DInternal error: messid has nonnumerics. (#5.3.5)\n"),
            (0, b"/5/12", b"x", "DInternal error: messid has nonnumerics. (#5.3.5)\n"),
            (0, &long, b"x", "DInternal error: messid too long. (#5.3.5)\n"),
            (0, b"", b"x", "DInternal error: messid too short. (#5.3.5)\n"),
            (0, b"5/12", b"x", "DSorry, address must include host name. (#5.1.3)\n"),
            (0, b"5/12", b"", "DSorry, address must include host name. (#5.1.3)\n"),
            (0, b"5/99", b"a@b", "Zqmail-spawn unable to open message. (#4.3.0)\n"),
            (0, b"5/13", b"a@b", "Zqmail-spawn unable to open message. (#4.3.0)\n"),
            (0, b"5/7", b"a@b", "ZSorry, message has wrong type. (#4.3.5)\n"),
            (0, b"5/", b"a@b", "ZSorry, message has wrong type. (#4.3.5)\n"),
            (0, b"5/14", b"a@b", "ZSorry, message has wrong type. (#4.3.5)\n"),
        ];
        for (slot, name, recipient, text) in rows {
            let refusal = check(
                command(slot, name, recipient),
                (slot < 120).then_some(slot == 7),
                queue.mess.as_fd(),
                queue.owner,
            );
            assert_eq!(std::str::from_utf8(refusal.unwrap_err()).unwrap(), text);
        }
        let stranger = check(command(0, b"5/12", b"a@b"), Some(false), queue.mess.as_fd(), queue.owner + 1);
        assert_eq!(stranger.unwrap_err(), b"ZSorry, message has wrong owner. (#4.3.5)\n");
        assert!(queue.dir.path().exists());
    }

    #[test]
    fn the_last_at_sign_parts_the_recipient() {
        let queue = queue();
        let job =
            check(command(119, b"5/12", b"a@b@c"), Some(false), queue.mess.as_fd(), queue.owner).unwrap();
        assert_eq!((job.local(), job.domain()), (&b"a@b"[..], &b"c"[..]));
        let job = check(command(0, b"5/12", b"@"), Some(false), queue.mess.as_fd(), queue.owner).unwrap();
        assert_eq!((job.local(), job.domain()), (&b""[..], &b""[..]));
    }

    proptest! {
        #[test]
        fn no_command_opens_anything_above_the_queue(name: Vec<u8>) {
            if check_name(&name).is_ok() {
                prop_assert!(name.iter().all(|b| b.is_ascii_digit() || *b == b'/') && name[0] != b'/');
            }
        }
    }
}
