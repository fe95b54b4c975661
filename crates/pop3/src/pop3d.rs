//! qmail-pop3d(8): one session on descriptors 0 and 1, as the owner of the Maildir.

use crate::capability;
use crate::maildrop::{self, Maildrop};
use crate::octets;
use crate::transaction::{Step, Transaction, Which};
use crate::transmission;
use crate::wire::{Line, Wire};
use std::io;
use std::path::Path;

/// Serves the Maildir at `root`. Errors of the connection end the session like a client that goes: nothing is removed.
///
/// `blank_line`: see [`transmission::send`]. `gone` is told of each message that was removed.
pub fn run(mut wire: Wire, root: Option<&Path>, blank_line: bool, gone: Gone<'_>) -> io::Result<()> {
    let Some(root) = root.filter(|root| Maildrop::exists(root)) else {
        wire.say(b"-ERR this user has no $HOME/Maildir\r\n")?;
        return wire.flush();
    };
    maildrop::sweep(root);
    let Ok(maildrop) = Maildrop::scan(root) else {
        wire.say(b"-ERR unable to scan $HOME/Maildir\r\n")?;
        return wire.flush();
    };
    let mut octets: Vec<Option<u64>> = Vec::new();
    octets.resize(maildrop.messages.len(), None);
    let mut session = Session {
        transaction: Transaction::new(maildrop.messages.len()),
        maildrop,
        octets,
        blank_line,
        wire,
        gone,
    };
    session.run()
}

/// Who wants to know what was removed: the name of the file and its length.
pub type Gone<'a> = &'a mut dyn FnMut(&[u8], u64);

struct Session<'a> {
    transaction: Transaction,
    maildrop: Maildrop,
    /// What has been counted.
    octets: Vec<Option<u64>>,
    blank_line: bool,
    wire: Wire,
    gone: Gone<'a>,
}

impl Session<'_> {
    fn run(&mut self) -> io::Result<()> {
        self.wire.say(b"+OK \r\n")?;
        while let Some(line) = self.wire.line()? {
            let step = match line {
                Line::Line(line) => self.transaction.line(&line),
                Line::TooLong => Step::Error("syntax error"),
            };
            if step == Step::Quit {
                self.quit()?;
                return self.wire.flush();
            }
            self.answer(step)?;
        }
        Ok(())
    }

    fn answer(&mut self, step: Step) -> io::Result<()> {
        match step {
            Step::Okay | Step::Quit => self.wire.say(b"+OK \r\n"),
            Step::Number(number) => self.say(&format!("+OK {number}")),
            Step::Error(text) => self.say(&format!("-ERR {text}")),
            Step::Capabilities => self.wire.say(&capability::reply()),
            Step::Total => {
                let total = self
                    .unmarked()
                    .iter()
                    .fold(0u64, |sum, &message| sum.saturating_add(self.octets(message)));
                self.say(&format!("+OK {} {total}", self.maildrop.messages.len()))
            }
            Step::Sizes(which) => {
                self.list(which, |session, message| session.octets(message).to_string().into_bytes())
            }
            Step::Names(which) => self.list(which, |session, message| session.name(message)),
            Step::Send { message, body_lines } => self.send(message, body_lines),
        }
    }

    fn say(&mut self, text: &str) -> io::Result<()> {
        self.wire.say(text.as_bytes())?;
        self.wire.say(b"\r\n")
    }

    fn unmarked(&self) -> Vec<usize> {
        (0..self.maildrop.messages.len()).filter(|&message| !self.transaction.is_marked(message)).collect()
    }

    fn list(&mut self, which: Which, what: fn(&mut Self, usize) -> Vec<u8>) -> io::Result<()> {
        let (messages, before, after) = match which {
            Which::One(message) => (vec![message], &b"+OK "[..], &b""[..]),
            Which::All => (self.unmarked(), &b"+OK \r\n"[..], &b".\r\n"[..]),
        };
        self.wire.say(before)?;
        for message in messages {
            let number = message.saturating_add(1).to_string();
            let line = [number.as_bytes(), b" ", &what(self, message), b"\r\n"].concat();
            self.wire.say(&line)?;
        }
        self.wire.say(after)
    }

    /// The size of a message on the wire; if it cannot be read, of its file.
    fn octets(&mut self, message: usize) -> u64 {
        if let Some(Some(octets)) = self.octets.get(message) {
            return *octets;
        }
        let counted =
            self.maildrop.open(message).and_then(|mut file| octets::count(&mut file, self.blank_line));
        let octets =
            counted.unwrap_or_else(|_| self.maildrop.messages.get(message).map_or(0, |m| m.size_bytes));
        if let Some(place) = self.octets.get_mut(message) {
            *place = Some(octets);
        }
        octets
    }

    /// The name of a message. Bytes that UIDL does not allow (RFC 1939 §7) are written as `%` and two digits.
    fn name(&mut self, message: usize) -> Vec<u8> {
        let name = self.maildrop.messages.get(message).map(|m| m.unique()).unwrap_or_default();
        let mut shown = Vec::with_capacity(name.len());
        for &byte in name {
            if byte.is_ascii_graphic() {
                shown.push(byte);
            } else {
                shown.extend_from_slice(format!("%{byte:02X}").as_bytes());
            }
        }
        shown
    }

    fn send(&mut self, message: usize, body_lines: Option<usize>) -> io::Result<()> {
        let Ok(mut file) = self.maildrop.open(message) else {
            return self.say("-ERR unable to open that message");
        };
        self.wire.say(b"+OK \r\n")?;
        transmission::send(&mut file, body_lines, self.blank_line, &mut |bytes| self.wire.say(bytes))
    }

    fn quit(&mut self) -> io::Result<()> {
        let mut all_removed = true;
        for message in 0..self.maildrop.messages.len() {
            if self.transaction.is_marked(message) {
                let removed = self.maildrop.remove(message);
                if let (Ok(true), Some(message)) = (&removed, self.maildrop.messages.get(message)) {
                    (self.gone)(message.name(), message.size_bytes);
                }
                all_removed &= removed.is_ok();
            } else {
                self.maildrop.keep(message);
            }
        }
        if !all_removed {
            self.say("-ERR unable to unlink all deleted messages")?;
        }
        self.wire.say(b"+OK \r\n")
    }
}
