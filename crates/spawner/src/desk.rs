//! What a trade can do: report, ask a worker, run a child.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Instant;

use contracts::recipients::Mailbox;
use contracts::spawn::{Form, Report, SPAWN_SLOTS, wide_answer};
use os::process::Spawn;

use crate::child::{Capture, Running, StartError};
use crate::output::Output;
use crate::pool::Pool;
use crate::questions::{Asker, Questions};
use crate::trade::Trade;
use crate::worker::Terms;

/// The service's side of a trade.
#[derive(Debug)]
pub struct Desk<T: Trade> {
    pub(crate) output: Output,
    pub(crate) pool: Pool<T::Key, T::Ticket>,
    pub(crate) children: Vec<Running<T::Ticket>>,
    pub(crate) questions: Option<Questions>,
    slots: Vec<bool>,
    form: Form,
}

impl<T: Trade> Desk<T> {
    pub(crate) fn new(workers_max: usize, questions: Option<Questions>) -> io::Result<Self> {
        Ok(Self {
            output: Output::default(),
            pool: Pool::new(workers_max)?,
            children: Vec::new(),
            questions,
            slots: vec![false; usize::from(SPAWN_SLOTS)],
            form: Form::Classic,
        })
    }

    /// `None` when there is no such slot.
    pub(crate) fn is_in_use(&self, slot: u16) -> Option<bool> {
        self.slots.get(usize::from(slot)).copied()
    }

    /// Speaks the wide form from now on, unless it does already or there are deliveries that were asked for in the other
    /// one. Returns whether it has just begun to.
    pub(crate) fn widen(&mut self, slots: u16) -> bool {
        let can = self.form == Form::Classic && !self.is_busy();
        if can {
            self.output.push(&wide_answer(slots));
            self.form = Form::Wide;
            self.slots.resize(usize::from(slots), false);
        }
        can
    }

    pub(crate) fn take(&mut self, slot: u16) {
        if let Some(used) = self.slots.get_mut(usize::from(slot)) {
            *used = true;
        }
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.slots.contains(&true)
    }

    /// Sends the report of a slot and frees it. `text` begins with K, Z or D; a NUL ends it.
    pub fn report(&mut self, slot: u16, text: &[u8]) {
        if let Some(used) = self.slots.get_mut(usize::from(slot)) {
            *used = false;
        }
        self.refuse(slot, text);
    }

    /// Sends a report about a command that has not taken its slot.
    pub(crate) fn refuse(&mut self, slot: u16, text: &[u8]) {
        self.output.push(&Report::encode_lettered(self.form, slot, text));
    }

    /// Asks a worker of `key`. `encode` makes the packet from the request's number; `hire` says how to start a
    /// worker if there is none. News come by [`Trade::answer`] or [`Trade::lost`], never from within this call.
    pub fn assign(
        &mut self,
        key: &T::Key,
        ticket: T::Ticket,
        attached: Option<OwnedFd>,
        terms: &Terms,
        encode: impl FnOnce(u32) -> Vec<u8>,
        hire: impl FnOnce() -> Spawn,
    ) {
        self.pool.assign(key, ticket, attached, terms, encode, hire);
    }

    /// Answers a question.
    pub fn answer(&mut self, asker: Asker, mailbox: Mailbox) {
        if let Some(questions) = &mut self.questions {
            questions.answer(asker, mailbox);
        }
    }

    /// Whether a worker of that key may be asked for a question's sake: it is running, or may be started.
    pub fn may_ask(&mut self, key: &T::Key) -> bool {
        self.pool.has(key) || self.questions.as_mut().is_some_and(|q| q.may_start(Instant::now()))
    }

    /// How many workers are running.
    pub fn workers(&self) -> usize {
        self.pool.len()
    }

    /// Starts a child with `message` on descriptor 0 (or /dev/null) and a pipe behind its output.
    /// [`Trade::ended`] follows, with at most `output_max_bytes` of what it printed.
    pub fn run(
        &mut self,
        ticket: T::Ticket,
        spawn: Spawn,
        message: Option<BorrowedFd<'_>>,
        capture: Capture,
        output_max_bytes: usize,
    ) -> Result<(), (StartError, T::Ticket)> {
        self.children.push(Running::start(ticket, spawn, message, capture, output_max_bytes)?);
        Ok(())
    }
}
