//! Is there a mailbox by that name? Answered by those who would deliver: users/cdb, `qmail-getpw`, and the owner's own
//! `qmail-local`, which looks for the `.qmail` file as it would for a message.
//!
//! Whatever is in doubt is unknown, and no program is run in its classic form for a question's sake.

use std::ffi::OsStr;
use std::time::Instant;

use contracts::local_worker::{self, Answer};
use contracts::lookup::{self, Owner};
use contracts::recipients::Mailbox;

use super::{DELIVERY_TERMS, Key, LOOKUP_TERMS, Local, Ticket};
use crate::desk::Desk;
use crate::questions::{Asker, Question};
use crate::trade::Reason;

/// qmail-local's exit code where there is no mailbox by that name.
const NO_MAILBOX: u8 = 100;

/// A question between its asking and its answer.
#[derive(Debug)]
pub struct Asked {
    question: Question,
    at: usize,
}

impl Asked {
    fn local(&self) -> &[u8] {
        self.question.address.get(..self.at).unwrap_or_default()
    }

    fn domain(&self) -> &[u8] {
        self.question.address.get(self.at.saturating_add(1)..).unwrap_or_default()
    }

    pub(super) fn asker(&self) -> Asker {
        self.question.asker
    }
}

impl Local {
    pub(super) fn consider(&mut self, desk: &mut Desk<Self>, question: Question) {
        let asker = question.asker;
        let Some(at) = question.address.iter().rposition(|&byte| byte == b'@') else {
            return desk.answer(asker, Mailbox::Unknown);
        };
        let asked = Asked { question, at };
        if asked.local().is_empty() {
            // A trash address takes everything.
            return desk.answer(asker, Mailbox::Present);
        }
        match self.users.owner(asked.local()) {
            Ok(Some(owner)) => self.ask_owner(desk, &asked, owner),
            Ok(None) => self.ask_for_owner(desk, asked),
            Err(_) => desk.answer(asker, Mailbox::Unknown),
        }
    }

    fn ask_for_owner(&mut self, desk: &mut Desk<Self>, asked: Asked) {
        if !self.look_up.is_warm(Instant::now()) || !desk.may_ask(&Key::Lookup) {
            return desk.answer(asked.asker(), Mailbox::Unknown);
        }
        let local = asked.local().to_vec();
        let hire = || self.spawn_lookup([OsStr::new("--lookups-on"), OsStr::new("0")]);
        desk.assign(&Key::Lookup, Ticket::Asked(asked), None, &LOOKUP_TERMS, |_| local, hire);
    }

    fn ask_owner(&mut self, desk: &mut Desk<Self>, asked: &Asked, owner: Owner) {
        let as_root = owner.uid == 0;
        let (key, delivery) = self.delivery_by(owner, asked.local(), asked.domain(), Vec::new());
        if as_root || !self.deliver.is_warm(Instant::now()) || !desk.may_ask(&key) {
            return desk.answer(asked.asker(), Mailbox::Unknown);
        }
        let encode = |number| local_worker::encode_check(number, &delivery);
        let hire = || self.spawn_delivery(&key, [OsStr::new("--worker")]);
        desk.assign(&key, Ticket::Told(asked.asker()), None, &DELIVERY_TERMS, encode, hire);
    }

    /// What `qmail-getpw` said. `Err` gives the question back: that was no answer.
    pub(super) fn owner_told(
        &mut self,
        desk: &mut Desk<Self>,
        asked: Asked,
        packet: &[u8],
    ) -> Result<(), Asked> {
        match lookup::decode_answer(packet) {
            Ok(Ok(owner)) => self.ask_owner(desk, &asked, owner),
            Ok(Err(_)) => desk.answer(asked.asker(), Mailbox::Unknown),
            Err(_) => return Err(asked),
        }
        Ok(())
    }

    /// What the owner's `qmail-local` said: his word, about his addresses.
    pub(super) fn mailbox_told(
        &mut self,
        desk: &mut Desk<Self>,
        asker: Asker,
        packet: &[u8],
    ) -> Result<(), Asker> {
        let mailbox = match Answer::decode(packet) {
            Ok(Answer { exit: 0, .. }) => Mailbox::Present,
            Ok(Answer { exit: NO_MAILBOX, .. }) => Mailbox::Absent,
            Ok(_) => Mailbox::Unknown,
            Err(_) => return Err(asker),
        };
        desk.answer(asker, mailbox);
        Ok(())
    }

    /// There will be no answer.
    pub(super) fn question_lost(&mut self, desk: &mut Desk<Self>, asker: Asker, key: &Key, reason: &Reason) {
        if matches!(reason, Reason::Silent) {
            let program = if *key == Key::Lookup { &mut self.look_up } else { &mut self.deliver };
            program.was_silent(Instant::now());
        }
        desk.answer(asker, Mailbox::Unknown);
    }
}
