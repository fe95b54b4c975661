//! The trade of `qmail-lspawn`: who owns an address, and his `qmail-local` (contract 8.1).
//!
//! 1. An empty local part is a trash address: delivered, without a process.
//! 2. users/cdb, read here. Damaged: deferred.
//! 3. Nobody there: `qmail-getpw`, which runs as qmailp so that it sees of homes what anybody sees; warm, or one
//!    process a lookup.
//! 4. Never as uid 0.
//! 5. The owner's warm `qmail-local`, or one process a delivery.
//!
//! [`asked`] answers questions about mailboxes along the same road.
//!
//! What comes from a `qmail-local` is its user's word: it can spoil his deliveries and no others.

mod asked;

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use contracts::local_worker::{self, Answer, Delivery};
use contracts::lookup::{self, Owner};
use contracts::recipients::Mailbox;
use os::process::{Identity, Spawn};
use users::database::{Database, DatabaseError};

use crate::checks::{self, Job};
use crate::child::{Capture, Ending, StartError};
use crate::desk::Desk;
use crate::program::Program;
use crate::questions::{Asker, Question};
use crate::trade::{Reason, Trade};
use crate::worker::{Matching, Terms};

/// More workers than this are kept only while all are busy. With more users than workers a process is started for nearly
/// every message; a worker among others takes some 0.3 MB, and leaves when it has been idle for seconds.
pub const WORKERS_MAX: usize = 256;

/// Program output beyond this is cut (truncreport).
const OUTPUT_MAX_BYTES: usize = 3000;
/// So much of it is kept then.
const OUTPUT_KEPT_BYTES: usize = 2966;
/// And this is said.
const OUTPUT_CUT: &[u8] = b"\nError report too long, sorry.\n";

/// A worker that leaves as it is asked is replaced this often before the delivery is deferred.
const ASKED_MAX: u8 = 3;

const DELIVERY_TERMS: Terms = Terms {
    matching: Matching::Numbered,
    packet_max_bytes: local_worker::PACKET_MAX_BYTES,
    hello_limit: Duration::from_secs(10),
    // Above qmail-local's own longest: a Maildir delivery may take a day.
    answer_limit: Duration::from_secs(25 * 3600),
    // Below the ten seconds after which a worker leaves by itself.
    idle_limit: Duration::from_secs(8),
    spread: 1,
};

const LOOKUP_TERMS: Terms = Terms {
    matching: Matching::InOrder,
    packet_max_bytes: lookup::ANSWER_MAX_BYTES,
    hello_limit: Duration::from_secs(10),
    answer_limit: Duration::from_secs(60),
    idle_limit: Duration::from_secs(600),
    // A directory server that is slow for one name should not stop the others.
    spread: 4,
};

/// Whom children become.
#[derive(Clone, Copy, Debug)]
pub enum Identities {
    /// We are root: each owner himself, and this one for lookups (qmailp:nofiles).
    Owners {
        /// qmailp:nofiles.
        lookup: Identity,
    },
    /// The rootless form: everybody is the caller.
    Caller,
}

/// The state of `qmail-lspawn`.
#[derive(Debug)]
pub struct Local {
    home: PathBuf,
    default_delivery: Vec<u8>,
    identities: Identities,
    users: Database,
    deliver: Program,
    look_up: Program,
}

/// Names the workers that may make a delivery, or look a user up.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Key {
    /// `qmail-getpw`.
    Lookup,
    /// `qmail-local` of one owner.
    Owner {
        /// His uid.
        uid: u32,
        /// His group.
        gid: u32,
        /// Where his `.qmail` files are.
        home: Vec<u8>,
    },
}

/// A delivery between its command and its report, or a question before its answer.
#[derive(Debug)]
pub enum Ticket {
    /// The owner of an asked address is being looked up.
    Asked(asked::Asked),
    /// He is being asked himself.
    Told(Asker),
    /// Its owner is being looked up.
    Lookup {
        /// The command.
        job: Job,
        /// How many workers have been asked.
        asked: u8,
    },
    /// It is being made.
    Delivery {
        /// Where the report goes.
        slot: u16,
        /// For whom.
        key: Key,
        /// What `qmail-local` is told.
        delivery: Delivery,
        /// How many workers have been asked.
        asked: u8,
    },
}

impl Local {
    /// For the installation at `home`; `default_delivery` is what an empty `.qmail` means.
    pub fn new(home: PathBuf, default_delivery: Vec<u8>, identities: Identities) -> Self {
        let deliver = Program::new(home.join("bin/qmail-local"));
        let look_up = Program::new(home.join("bin/qmail-getpw"));
        let users = Database::at(home.join("users/cdb"));
        Self { home, default_delivery, identities, users, deliver, look_up }
    }

    fn look_up(&mut self, desk: &mut Desk<Self>, job: Job, asked: u8) {
        if !self.look_up.is_warm(Instant::now()) {
            return self.run_lookup(desk, job);
        }
        let local = job.local().to_vec();
        let ticket = Ticket::Lookup { job, asked: asked.saturating_add(1) };
        let hire = || self.spawn_lookup([OsStr::new("--lookups-on"), OsStr::new("0")]);
        desk.assign(&Key::Lookup, ticket, None, &LOOKUP_TERMS, |_| local, hire);
    }

    fn run_lookup(&mut self, desk: &mut Desk<Self>, job: Job) {
        let spawn = self.spawn_lookup([OsStr::from_bytes(job.local())]);
        let ticket = Ticket::Lookup { job, asked: 0 };
        let started = desk.run(ticket, spawn, None, Capture::Output, lookup::ANSWER_MAX_BYTES);
        if let Err((_, Ticket::Lookup { job, .. })) = started {
            desk.report(job.slot, &report(Some(LOOKUP_UNAVAILABLE), b""));
        }
    }

    fn spawn_lookup<const N: usize>(&self, args: [&OsStr; N]) -> Spawn {
        let mut spawn = Spawn::new("bin/qmail-getpw");
        spawn.command().args(args).current_dir(&self.home);
        if let Identities::Owners { lookup } = self.identities {
            spawn.identity(lookup);
        }
        spawn
    }

    fn deliver_to(&mut self, desk: &mut Desk<Self>, mut job: Job, owner: Owner) {
        if owner.uid == 0 {
            return desk.report(job.slot, &report(Some(AS_ROOT), b""));
        }
        let sender = std::mem::take(&mut job.sender);
        let (key, delivery) = self.delivery_by(owner, job.local(), job.domain(), sender);
        self.deliver(desk, Ticket::Delivery { slot: job.slot, key, delivery, asked: 0 }, job.message.into());
    }

    /// What the worker of an owner is told about an address of his.
    fn delivery_by(&self, owner: Owner, local: &[u8], domain: &[u8], sender: Vec<u8>) -> (Key, Delivery) {
        let Owner { user, uid, gid, home, dash, ext } = owner;
        let key = Key::Owner { uid, gid, home: home.clone() };
        let delivery = Delivery {
            local: local.to_vec(),
            domain: domain.to_vec(),
            user,
            home,
            dash,
            ext,
            sender,
            default_delivery: self.default_delivery.clone(),
        };
        (key, delivery)
    }

    fn deliver(&mut self, desk: &mut Desk<Self>, ticket: Ticket, message: OwnedFd) {
        let Ticket::Delivery { slot, key, delivery, asked } = ticket else { return };
        if !self.deliver.is_warm(Instant::now()) {
            return self.run_delivery(desk, Ticket::Delivery { slot, key, delivery, asked }, message);
        }
        let packet = delivery.clone();
        let for_hire = key.clone();
        let workers = key.clone();
        let ticket = Ticket::Delivery { slot, key, delivery, asked: asked.saturating_add(1) };
        let hire = || self.spawn_delivery(&for_hire, [OsStr::new("--worker")]);
        let encode = |number| local_worker::encode_request(number, &packet);
        desk.assign(&workers, ticket, Some(message), &DELIVERY_TERMS, encode, hire);
    }

    fn run_delivery(&mut self, desk: &mut Desk<Self>, ticket: Ticket, message: OwnedFd) {
        let Ticket::Delivery { slot, key, delivery, .. } = &ticket else { return };
        let slot = *slot;
        let d = delivery;
        let args = [
            b"--",
            &d.user[..],
            &d.home,
            &d.local,
            &d.dash,
            &d.ext,
            &d.domain,
            &d.sender,
            &d.default_delivery,
        ];
        let spawn = self.spawn_delivery(key, args.map(OsStr::from_bytes));
        // One byte more than is kept shows that there was more.
        let output_max_bytes = OUTPUT_MAX_BYTES.saturating_add(1);
        let capture = Capture::OutputAndErrors;
        match desk.run(ticket, spawn, Some(message.as_fd()), capture, output_max_bytes) {
            Ok(()) => {}
            Err((StartError::Pipe(_), _)) => desk.report(slot, checks::NO_PIPE),
            Err((StartError::Run(_), _)) => desk.report(slot, &report(Some(CANNOT_RUN), b"")),
        }
    }

    fn spawn_delivery<const N: usize>(&self, key: &Key, args: [&OsStr; N]) -> Spawn {
        let mut spawn = Spawn::new("bin/qmail-local");
        spawn.command().args(args).current_dir(&self.home);
        if let (Identities::Owners { .. }, Key::Owner { uid, gid, .. }) = (self.identities, key) {
            spawn.identity(Identity { uid: *uid, gid: *gid });
        }
        spawn
    }
}

impl Trade for Local {
    type Key = Key;
    type Ticket = Ticket;

    fn accept(&mut self, desk: &mut Desk<Self>, job: Job) {
        if job.local().is_empty() {
            return desk.report(job.slot, &report(Some(0), b""));
        }
        match self.users.owner(job.local()) {
            Ok(Some(owner)) => self.deliver_to(desk, job, owner),
            Ok(None) => self.look_up(desk, job, 0),
            Err(DatabaseError::Malformed) => desk.report(job.slot, &report(Some(BUG), b"")),
            Err(_) => desk.report(job.slot, &report(Some(DATABASE), b"")),
        }
    }

    fn asked(&mut self, desk: &mut Desk<Self>, question: Question) {
        self.consider(desk, question);
    }

    fn answer(
        &mut self,
        desk: &mut Desk<Self>,
        _: &Key,
        ticket: Ticket,
        packet: &[u8],
    ) -> Result<(), Ticket> {
        match ticket {
            Ticket::Asked(asked) => return self.owner_told(desk, asked, packet).map_err(Ticket::Asked),
            Ticket::Told(asker) => return self.mailbox_told(desk, asker, packet).map_err(Ticket::Told),
            Ticket::Lookup { job, asked } => match lookup::decode_answer(packet) {
                Ok(Ok(owner)) => self.deliver_to(desk, job, owner),
                Ok(Err(exit)) => desk.report(job.slot, &report(Some(exit), b"")),
                Err(_) => return Err(Ticket::Lookup { job, asked }),
            },
            Ticket::Delivery { slot, key, delivery, asked } => match Answer::decode(packet) {
                Ok(Answer { exit: local_worker::CRASHED, .. }) => desk.report(slot, &report(None, b"")),
                Ok(answer) => desk.report(slot, &report(Some(answer.exit), &answer.text)),
                Err(_) => return Err(Ticket::Delivery { slot, key, delivery, asked }),
            },
        }
        Ok(())
    }

    fn lost(
        &mut self,
        desk: &mut Desk<Self>,
        key: &Key,
        ticket: Ticket,
        reason: Reason,
        attached: Option<OwnedFd>,
    ) {
        match (ticket, reason, attached) {
            (Ticket::Asked(asked), reason, _) => self.question_lost(desk, asked.asker(), key, &reason),
            (Ticket::Told(asker), reason, _) => self.question_lost(desk, asker, key, &reason),
            (Ticket::Lookup { job, .. }, Reason::Silent, _) => {
                self.look_up.was_silent(Instant::now());
                self.run_lookup(desk, job);
            }
            (Ticket::Lookup { job, .. }, Reason::Unsendable, _) => self.run_lookup(desk, job),
            (Ticket::Lookup { job, asked }, Reason::Left, _) if asked < ASKED_MAX => {
                self.look_up(desk, job, asked);
            }
            (Ticket::Lookup { job, .. }, _, _) => {
                desk.report(job.slot, &report(Some(LOOKUP_UNAVAILABLE), b""));
            }
            (ticket @ Ticket::Delivery { .. }, Reason::Silent, Some(message)) => {
                self.deliver.was_silent(Instant::now());
                self.run_delivery(desk, ticket, message);
            }
            (ticket @ Ticket::Delivery { .. }, Reason::Unsendable, Some(message)) => {
                self.run_delivery(desk, ticket, message);
            }
            (ticket @ Ticket::Delivery { asked: ..ASKED_MAX, .. }, Reason::Left, Some(message)) => {
                self.deliver(desk, ticket, message);
            }
            (Ticket::Delivery { slot, .. }, Reason::CannotStart(_), _) => {
                desk.report(slot, &report(Some(CANNOT_RUN), b""));
            }
            (Ticket::Delivery { slot, .. }, _, _) => desk.report(slot, &report(None, b"")),
        }
    }

    fn ended(&mut self, desk: &mut Desk<Self>, ticket: Ticket, ending: Ending) {
        let exit = exit_code(&ending);
        match ticket {
            // Nothing is run for a question.
            Ticket::Asked(asked) => desk.answer(asked.asker(), Mailbox::Unknown),
            Ticket::Told(asker) => desk.answer(asker, Mailbox::Unknown),
            Ticket::Delivery { slot, .. } => desk.report(slot, &report(exit, &ending.output)),
            Ticket::Lookup { job, .. } => match (exit, Owner::decode(&ending.output)) {
                (Some(0), Ok(owner)) => self.deliver_to(desk, job, owner),
                (Some(0), Err(_)) => desk.report(job.slot, &report(Some(BUG), b"")),
                (Some(exit), _) => desk.report(job.slot, &report(Some(exit), b"")),
                (None, _) => desk.report(job.slot, &report(Some(SYSTEM), b"")),
            },
        }
    }
}

/// `None`: a signal.
fn exit_code(ending: &Ending) -> Option<u8> {
    match ending.status.signal() {
        Some(_) => None,
        None => ending.status.code().and_then(|code| u8::try_from(code).ok()),
    }
}

const BUG: u8 = 112;
const AS_ROOT: u8 = 113;
const DATABASE: u8 = 117;
const SYSTEM: u8 = 118;
const CANNOT_RUN: u8 = 120;
const LOOKUP_UNAVAILABLE: u8 = 121;

/// The report for a delivery that ended with this exit code, or by a signal, and printed `output`.
fn report(exit: Option<u8>, output: &[u8]) -> Vec<u8> {
    let letter = match exit {
        None => return b"Zqmail-local crashed.\n".to_vec(),
        Some(BUG) => return b"ZInternal qmail-lspawn bug.\n".to_vec(),
        Some(AS_ROOT) => return b"ZNot allowed to perform deliveries as root.\n".to_vec(),
        Some(115) => return b"ZNFS failure in qmail-local.\n".to_vec(),
        Some(116) => return b"ZUnable to find alias user!\n".to_vec(),
        Some(DATABASE) => return b"ZTrouble reading users/cdb in qmail-lspawn.\n".to_vec(),
        Some(SYSTEM) => return b"ZTemporary failure in qmail-lspawn.\n".to_vec(),
        Some(119) => return b"ZOut of memory in qmail-lspawn.\n".to_vec(),
        Some(CANNOT_RUN) => return b"ZUnable to run qmail-local.\n".to_vec(),
        Some(LOOKUP_UNAVAILABLE) => return b"ZUnable to run qmail-getpw.\n".to_vec(),
        Some(126) => return b"DUnable to run qmail-local.\n".to_vec(),
        Some(0) => b'K',
        Some(71 | 74 | 75 | 111) => b'Z',
        Some(_) => b'D',
    };
    let mut text = vec![letter];
    if output.len() > OUTPUT_MAX_BYTES {
        text.extend(output.iter().take(OUTPUT_KEPT_BYTES));
        text.extend_from_slice(OUTPUT_CUT);
    } else {
        text.extend_from_slice(output);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_and_their_letters() {
        for (exit, text) in [
            (Some(0), "Kout"),
            (Some(71), "Zout"),
            (Some(74), "Zout"),
            (Some(75), "Zout"),
            (Some(111), "Zout"),
            (Some(72), "Dout"),
            (Some(100), "Dout"),
            (Some(114), "Dout"),
            (Some(255), "Dout"),
            (Some(113), "ZNot allowed to perform deliveries as root.\n"),
            (Some(126), "DUnable to run qmail-local.\n"),
            (None, "Zqmail-local crashed.\n"),
        ] {
            assert_eq!(std::str::from_utf8(&report(exit, b"out")).unwrap(), text);
        }
    }

    #[test]
    fn long_output_is_cut() {
        assert_eq!(report(Some(0), &[b'x'; 3000]).len(), 3001);
        let cut = report(Some(100), &[b'x'; 3001]);
        assert_eq!(cut.len(), 1 + 2966 + 31);
        assert!(cut.ends_with(b"x\nError report too long, sorry.\n"));
    }
}
