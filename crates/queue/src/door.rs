//! The door into the queue, for callers that may block (contract 6.2). An event loop has its own client in `receive`.
//!
//! ```text
//! QMAILQUEUE set             run that program               (program.rs)
//! else run/queue takes us    talk to the service            (service_client.rs)
//! else                  run bin/qmail-queue            (program.rs)
//! ```
//!
//! A service whose places are all taken says so at once; what was handed to it by then goes to the program instead. Others
//! who hold on to the service keep nobody from sending.
//!
//! Whichever it is, the caller does the same:
//!
//! ```no_run
//! # let (sender, recipients, home) = (b"a@b", [b"c@d"], std::path::Path::new("/var/qmail"));
//! let mut hand_off = queue::door::Door::from_environment(home).open()?;
//! hand_off.write(b"Subject: hello\n\nBody\n");
//! hand_off.sender(sender);
//! for recipient in recipients {
//!     hand_off.recipient(recipient);
//! }
//! match hand_off.finish() {
//!     Ok(accepted) => { /* "qp" accepted.qp */ }
//!     Err(refused) => { /* refused.is_permanent(), refused.text() */ }
//! }
//! # std::io::Result::Ok(())
//! ```
//!
//! Trouble while writing is remembered and told by `finish`, as in the original's library. A hand-off that is dropped
//! before `finish` leaves nothing that is ever delivered.

mod error_text;
pub mod launch;
mod program;
mod service_client;

use contracts::queue_exit::{self, QueueExit};
use std::{
    ffi::OsString,
    io,
    os::fd::BorrowedFd,
    path::{Path, PathBuf},
};

/// What is gathered before it is written to the other side.
const BUFFER_BYTES: usize = 64 * 1024;

/// How this process puts mail into the queue.
#[derive(Clone, Debug)]
pub struct Door {
    home: PathBuf,
    program: Option<OsString>,
}

impl Door {
    /// As `QMAILQUEUE` says; without it the service or `bin/qmail-queue`. `home` is the QMAIL directory, to which a
    /// relative program name is relative.
    pub fn from_environment(home: &Path) -> Self {
        Self { home: home.to_path_buf(), program: std::env::var_os("QMAILQUEUE") }
    }

    /// With a program named by the caller (an empty name counts as one and cannot be executed), or with none.
    pub fn new(home: &Path, program: Option<OsString>) -> Self {
        Self { home: home.to_path_buf(), program }
    }

    /// Begins to hand over a message. An error is one of this process (no descriptors, cannot fork), which callers
    /// report in their own words; that the program cannot be executed is told by [`HandOff::finish`].
    pub fn open(&self) -> io::Result<HandOff> {
        self.open_with(&Surroundings::default())
    }

    /// As [`Door::open`], for callers who are not alone in their process.
    pub fn open_with(&self, around: &Surroundings<'_>) -> io::Result<HandOff> {
        let way = match &self.program {
            Some(program) => program::start(&self.home, program, around)?,
            None => match service_client::connect(&self.home) {
                Ok(service) => Way::Service(service),
                Err(_) => program::start(&self.home, "bin/qmail-queue".as_ref(), around)?,
            },
        };
        Ok(HandOff { way, part: Part::Message, home: self.home.clone() })
    }
}

/// What a program in the queue's place finds around it, other than the message. The service never sees it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Surroundings<'a> {
    /// Its complete environment; without it, ours.
    pub environment: Option<&'a [(OsString, OsString)]>,
    /// Its standard error; without it, ours.
    pub errors: Option<BorrowedFd<'a>>,
}

/// The message is in the queue, durably.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Accepted {
    /// The number to print after `qp`: the queue id from the service, the process id of a program.
    pub qp: u64,
}

/// Nothing was queued, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    result: Vec<u8>,
    /// The process id of the program that refused; 0 from the service.
    pub qp: u64,
}

impl Refused {
    fn with(code: u8, custom: &[u8], qp: u64) -> Self {
        let text = queue_exit::custom_text(code, custom);
        Self { result: text.unwrap_or_else(|| queue_exit::result_text(code).as_bytes()).to_vec(), qp }
    }

    fn because(result: &str, qp: u64) -> Self {
        Self { result: result.as_bytes().to_vec(), qp }
    }

    /// No use in trying again.
    pub fn is_permanent(&self) -> bool {
        self.result.first() == Some(&b'D')
    }

    /// The words, without the letter before them.
    pub fn text(&self) -> &[u8] {
        self.result.split_first().map_or(&[], |(_, text)| text)
    }

    /// The words with `D` or `Z` before them.
    pub fn result(&self) -> &[u8] {
        &self.result
    }
}

/// What the caller is writing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    Message,
    Envelope,
}

#[derive(Debug)]
enum Way {
    Service(service_client::Service),
    Program(program::Program),
    /// The program could not be executed; what is written goes nowhere.
    Impossible(QueueExit),
}

/// One message on its way in: first the message, then the sender, then recipients, then [`HandOff::finish`].
#[derive(Debug)]
pub struct HandOff {
    way: Way,
    part: Part,
    home: PathBuf,
}

impl HandOff {
    /// Appends to the message.
    pub fn write(&mut self, bytes: &[u8]) {
        if self.part == Part::Message {
            self.put(bytes);
        } else {
            self.fail();
        }
    }

    /// Ends the message and begins the envelope.
    pub fn sender(&mut self, sender: &[u8]) {
        if self.part == Part::Message {
            self.part = Part::Envelope;
            match &mut self.way {
                Way::Service(service) => service.end_part(),
                Way::Program(program) => program.end_message(),
                Way::Impossible(_) => {}
            }
        }
        self.record(b'F', sender);
    }

    /// Adds a recipient, after the sender.
    pub fn recipient(&mut self, recipient: &[u8]) {
        self.record(b'T', recipient);
    }

    /// Makes sure that nothing will be queued, whatever is written from now on. [`HandOff::finish`] then refuses.
    pub fn fail(&mut self) {
        match &mut self.way {
            Way::Service(service) => service.fail(),
            Way::Program(program) => program.fail(),
            Way::Impossible(_) => {}
        }
    }

    /// Commits and waits for the answer.
    pub fn finish(mut self) -> Result<Accepted, Refused> {
        if self.part == Part::Message {
            self.fail();
        } else {
            self.put(b"\0");
        }
        let way = match self.way {
            Way::Service(service) => match service.finish() {
                Ok(answer) => return answer,
                Err(turned_away) => by_program(&self.home, turned_away, self.part),
            },
            way => way,
        };
        match way {
            Way::Service(_) => Err(Refused::with(QueueExit::ServerRefusedForNow as u8, b"", 0)),
            Way::Program(program) => program.finish(),
            Way::Impossible(exit) => Err(Refused::with(exit as u8, b"", 0)),
        }
    }

    /// A NUL inside an address would end it and begin a record of a stranger's choosing: nothing is queued.
    fn record(&mut self, kind: u8, address: &[u8]) {
        if self.part == Part::Message || memchr::memchr(0, address).is_some() {
            return self.fail();
        }
        self.put(&[kind]);
        self.put(address);
        self.put(b"\0");
    }

    fn put(&mut self, bytes: &[u8]) {
        match &mut self.way {
            Way::Service(service) => {
                service.put(bytes);
                if service.is_turned_away() {
                    let refused = Way::Impossible(QueueExit::ServerRefusedForNow);
                    if let Way::Service(service) = std::mem::replace(&mut self.way, refused) {
                        self.way = by_program(&self.home, service, self.part);
                    }
                }
            }
            Way::Program(program) => program.put(bytes),
            Way::Impossible(_) => {}
        }
    }
}

/// Hands to `bin/qmail-queue` what the service had no place for. That program looks at nothing around it, so ours will do.
fn by_program(home: &Path, turned_away: service_client::Service, part: Part) -> Way {
    let (message, envelope) = turned_away.kept();
    match program::start(home, "bin/qmail-queue".as_ref(), &Surroundings::default()) {
        Ok(Way::Program(mut program)) => {
            program.put(&message);
            if part == Part::Envelope {
                program.end_message();
                program.put(&envelope);
            }
            Way::Program(program)
        }
        _ => Way::Impossible(QueueExit::ServerRefusedForNow),
    }
}

/// For `io::copy` and formatted writing into the message. Never fails: trouble is told by [`HandOff::finish`].
impl io::Write for HandOff {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        HandOff::write(self, bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
