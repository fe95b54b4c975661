//! What differs between the spawners.

use std::hash::Hash;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Instant;

use contracts::recipients::Mailbox;

use crate::checks::Job;
use crate::child::Ending;
use crate::desk::Desk;
use crate::questions::Question;

/// Why a worker will not answer.
#[derive(Debug)]
pub enum Reason {
    /// It never said hello: none of ours. The request was not sent.
    Silent,
    /// It left before the request was sent. Another worker may be asked; not for ever.
    Left,
    /// The packet cannot be sent to anybody: too long, or the kernel has no room.
    Unsendable,
    /// The program cannot be started.
    CannotStart(io::Error),
    /// It had the request and died, was killed for what it said, or took too long.
    Crashed,
}

/// Knows what a delivery is; see the crate's head for the order of calls.
pub trait Trade: Sized {
    /// Names the workers that may make a delivery.
    type Key: Clone + Eq + Hash;
    /// Comes back with an answer, or with the news that there is none.
    type Ticket;

    /// A command has passed all checks; its slot is taken until [`Desk::report`].
    fn accept(&mut self, desk: &mut Desk<Self>, job: Job);

    /// All commands that were waiting have been accepted: the time to hand on what was grouped.
    fn settle(&mut self, _desk: &mut Desk<Self>) {}

    /// A worker's answer, the whole packet; its number has been found to be the ticket's. `Err` gives the ticket
    /// back: this was no answer, kill the worker.
    fn answer(
        &mut self,
        desk: &mut Desk<Self>,
        key: &Self::Key,
        ticket: Self::Ticket,
        packet: &[u8],
    ) -> Result<(), Self::Ticket>;

    /// There will be no answer. `attached` is the request's descriptor where it was not sent.
    fn lost(
        &mut self,
        desk: &mut Desk<Self>,
        key: &Self::Key,
        ticket: Self::Ticket,
        reason: Reason,
        attached: Option<OwnedFd>,
    );

    /// A child started by [`Desk::run`] is dead and its output complete.
    fn ended(&mut self, desk: &mut Desk<Self>, ticket: Self::Ticket, ending: Ending);

    /// Somebody asks whether there is a mailbox. It ends in one [`Desk::answer`].
    fn asked(&mut self, desk: &mut Desk<Self>, question: Question) {
        desk.answer(question.asker, Mailbox::Unknown);
    }

    /// When [`Trade::tick`] should be called, at the latest.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Called on every turn of the loop.
    fn tick(&mut self, _desk: &mut Desk<Self>, _now: Instant) {}
}
