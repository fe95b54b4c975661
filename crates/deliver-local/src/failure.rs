//! Why a delivery was not made, in the words that reach the log and the bounce.
//!
//! One table: each variant has its text and its exit code (qmail-interfaces 8.5 to 8.7).

use std::io;

use mailbox::maildir::MaildirError;
use mailbox::mbox::MboxError;

use crate::exit::{PERMANENT, TEMPORARY};

/// The reason a delivery ended early. What was done before stays done.
#[derive(Debug)]
pub enum Failure {
    /// The home directory cannot be entered.
    EnterHome { home: Vec<u8>, source: io::Error },
    /// The home directory cannot be looked at.
    StatHome(io::Error),
    /// Others could put a `.qmail` file there.
    HomeWritable,
    /// The user is not done with his `.qmail` file.
    HomeSticky,
    /// The message already has the line we are about to add.
    Looping,
    /// The message has been delivered too often.
    TooManyDeliveries,
    /// The message file cannot be read.
    ReadMessage(io::Error),
    /// The message file has no beginning to go to: a pipe, perhaps.
    Rewind,
    /// A `.qmail` or owner file is there but cannot be used now.
    Open { file: Vec<u8>, source: io::Error },
    /// Others could have written the `.qmail` file.
    FileWritable,
    /// No file speaks for this address.
    NoMailbox,
    /// The file begins with a blank line.
    BlankFirstLine,
    /// The file forbids all but forwarding, and has a file line.
    FileForbidden,
    /// The file forbids all but forwarding, and has a program line.
    ProgramForbidden,
    /// An mbox did not take the message.
    Mbox { path: Vec<u8>, source: MboxError },
    /// A Maildir did not take the message.
    Maildir(MaildirError),
    /// No process for a program, or none for a queue program.
    Fork(io::Error),
    /// `/bin/sh` did not start.
    Shell(io::Error),
    /// The program was ended by a signal.
    ProgramCrashed,
    /// The program took longer than `programtimeout` allows, and was ended.
    ProgramTimeout { limit_seconds: u64 },
    /// The program said that it will never work; why, it said itself.
    ProgramPermanent,
    /// The program said that it does not work now.
    ProgramTemporary,
    /// The queue did not take the forwarded message.
    Forward { permanent: bool, text: Vec<u8> },
}

impl Failure {
    /// The exit code of qmail-local.
    pub fn exit(&self) -> u8 {
        match self {
            Self::Looping
            | Self::TooManyDeliveries
            | Self::NoMailbox
            | Self::ProgramPermanent
            | Self::Maildir(MaildirError::OverQuota)
            | Self::Forward { permanent: true, .. } => PERMANENT,
            Self::EnterHome { .. }
            | Self::StatHome(_)
            | Self::HomeWritable
            | Self::HomeSticky
            | Self::ReadMessage(_)
            | Self::Rewind
            | Self::Open { .. }
            | Self::FileWritable
            | Self::BlankFirstLine
            | Self::FileForbidden
            | Self::ProgramForbidden
            | Self::Mbox { .. }
            | Self::Maildir(_)
            | Self::Fork(_)
            | Self::Shell(_)
            | Self::ProgramCrashed
            | Self::ProgramTimeout { .. }
            | Self::ProgramTemporary
            | Self::Forward { permanent: false, .. } => TEMPORARY,
        }
    }

    /// What to say, with its newline; empty where a program has spoken already.
    pub fn text(&self) -> Vec<u8> {
        let words = |source: &io::Error| os::strerror::of(source).as_bytes();
        let parts: &[&[u8]] = match self {
            Self::EnterHome { home, source } => {
                &[b"Unable to switch to ", home, b": ", words(source), b". (#4.3.0)"]
            }
            Self::StatHome(source) => &[b"Unable to stat home directory: ", words(source), b". (#4.3.0)"],
            Self::HomeWritable => &[b"Uh-oh: home directory is writable. (#4.7.0)"],
            Self::HomeSticky => &[b"Home directory is sticky: user is editing his .qmail file. (#4.2.1)"],
            Self::Looping => &[b"This message is looping: it already has my Delivered-To line. (#5.4.6)"],
            Self::TooManyDeliveries => {
                &[b"This message is looping: it has too many Delivered-To lines. (#5.4.6)"]
            }
            Self::ReadMessage(source) => &[b"Unable to read message: ", words(source), b". (#4.3.0)"],
            Self::Rewind => &[b"Unable to rewind message. (#4.3.0)"],
            Self::Open { file, source } => &[b"Unable to open ", file, b": ", words(source), b". (#4.3.0)"],
            Self::FileWritable => &[b"Uh-oh: .qmail file is writable. (#4.7.0)"],
            Self::NoMailbox => &[b"Sorry, no mailbox here by that name. (#5.1.1)"],
            Self::BlankFirstLine => &[b"Uh-oh: first line of .qmail file is blank. (#4.2.1)"],
            Self::FileForbidden => &[b"Uh-oh: .qmail has file delivery but has x bit set. (#4.7.0)"],
            Self::ProgramForbidden => &[b"Uh-oh: .qmail has prog delivery but has x bit set. (#4.7.0)"],
            Self::Mbox { path, source } => match source {
                MboxError::Open(source) => &[b"Unable to open ", path, b": ", words(source), b". (#4.2.1)"],
                MboxError::Locked => &[b"File has been locked for 30 seconds straight. (#4.3.0)"],
                MboxError::Lock(source) => &[b"Unable to lock ", path, b": ", words(source), b". (#4.3.0)"],
                MboxError::Read(source) => &[b"Unable to read message: ", words(source), b". (#4.3.0)"],
                MboxError::Write(source) => &[b"Unable to write ", path, b": ", words(source), b". (#4.3.0)"],
            },
            Self::Maildir(error) => match error {
                MaildirError::Enter(source) if !os::strerror::is_temporary(source) => {
                    &[b"Unable to chdir to maildir. (#4.2.1)"]
                }
                MaildirError::OverQuota => &[b"User over quota. (#5.1.1)"],
                MaildirError::Timeout => &[b"Timeout on maildir delivery. (#4.3.0)"],
                MaildirError::Read(_) => &[b"Unable to read message. (#4.3.0)"],
                MaildirError::Enter(_) | MaildirError::Step { .. } => {
                    &[b"Temporary error on maildir delivery. (#4.3.0)"]
                }
            },
            Self::Fork(source) => &[b"Unable to fork: ", words(source), b". (#4.3.0)"],
            Self::Shell(source) => &[b"Unable to run /bin/sh: ", words(source), b". (#4.3.0)"],
            Self::ProgramCrashed => &[b"Aack, child crashed. (#4.3.0)"],
            Self::ProgramTimeout { limit_seconds } => {
                return format!("Program took longer than {limit_seconds} seconds. (#4.3.0)\n").into();
            }
            Self::ProgramPermanent | Self::ProgramTemporary => return Vec::new(),
            Self::Forward { text, .. } => &[b"Unable to forward message: ", text, b"."],
        };
        let mut text = parts.concat();
        text.push(b'\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(errno: i32) -> io::Error {
        io::Error::from_raw_os_error(errno)
    }

    #[test]
    fn texts_and_codes_are_the_documented_ones() {
        const ENOENT: i32 = 2;
        const EIO: i32 = 5;
        const EISDIR: i32 = 21;
        let table = [
            (
                Failure::EnterHome { home: b"/h".to_vec(), source: error(ENOENT) },
                "Unable to switch to /h: file does not exist. (#4.3.0)\n",
                111,
            ),
            (
                Failure::Mbox { path: b".".to_vec(), source: MboxError::Open(error(EISDIR)) },
                "Unable to open .: is a directory. (#4.2.1)\n",
                111,
            ),
            (
                Failure::Maildir(MaildirError::Enter(error(ENOENT))),
                "Unable to chdir to maildir. (#4.2.1)\n",
                111,
            ),
            (
                Failure::Maildir(MaildirError::Enter(error(EIO))),
                "Temporary error on maildir delivery. (#4.3.0)\n",
                111,
            ),
            (Failure::Maildir(MaildirError::OverQuota), "User over quota. (#5.1.1)\n", 100),
            (Failure::NoMailbox, "Sorry, no mailbox here by that name. (#5.1.1)\n", 100),
            (Failure::ProgramPermanent, "", 100),
            (Failure::ProgramTemporary, "", 111),
            (
                Failure::Forward { permanent: true, text: b"no (#5.7.1)".to_vec() },
                "Unable to forward message: no (#5.7.1).\n",
                100,
            ),
        ];
        for (failure, text, exit) in table {
            assert_eq!(String::from_utf8(failure.text()).unwrap(), text);
            assert_eq!(failure.exit(), exit, "{failure:?}");
        }
    }
}
