//! A walk over the recipients of one message on one channel.

use std::collections::VecDeque;
use std::sync::Arc;

use contracts::spawn::Outcome;

use crate::{Millis, Recipient, Seconds, Then};

/// Which messages it competes with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Class {
    /// Its first attempt.
    First,
    /// Any later one.
    Again,
}

/// Where the envelope is on disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Home {
    /// In `todo` only (S4).
    Todo,
    /// On the way to S5.
    Moving,
    /// In `info` and the channel file (S5).
    Channel,
}

/// How far the channel file has been read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reading {
    /// A piece has been asked for.
    Asked,
    /// A piece has come; this is what follows it.
    Stands(Then),
}

/// One open pass.
#[derive(Debug)]
pub(crate) struct Pass {
    pub(crate) class: Class,
    pub(crate) home: Home,
    pub(crate) reading: Reading,
    pub(crate) sender: Arc<[u8]>,
    pub(crate) birth: Seconds,
    /// When the message is tried next if something is left.
    pub(crate) next: Seconds,
    /// Whether a deferral is a failure in this pass.
    pub(crate) last: bool,
    /// Read and not yet started.
    pub(crate) ready: VecDeque<Recipient>,
    /// Deliveries in flight.
    pub(crate) flying: usize,
    /// Results that are being written to disk.
    pub(crate) recording: usize,
    /// Whether a recipient will be tried again.
    pub(crate) left: bool,
    /// When the first delivery of its message was started, on either channel.
    pub(crate) began: Option<Millis>,
    /// Whether it stands in its channel's ring of those with something to start.
    pub(crate) in_ring: bool,
    /// Results of deliveries that came while the envelope was in `todo`, with their texts: there is no file yet in
    /// which to write them down.
    pub(crate) held: Vec<(Outcome, Recipient, Arc<[u8]>)>,
}

/// A pass reads on when fewer recipients than this are ready.
const READ_ON_BELOW: usize = 32;

impl Pass {
    /// One whose envelope is still to be read.
    pub(crate) fn to_read(class: Class) -> Self {
        Self {
            class,
            home: Home::Channel,
            reading: Reading::Asked,
            sender: Arc::from(&[][..]),
            birth: 0,
            next: 0,
            last: false,
            ready: VecDeque::new(),
            flying: 0,
            recording: 0,
            left: false,
            began: None,
            in_ring: false,
            held: Vec::new(),
        }
    }

    /// One with all its recipients, straight from S4.
    pub(crate) fn of_few(
        sender: Arc<[u8]>,
        recipients: Vec<Recipient>,
        birth: Seconds,
        next: Seconds,
    ) -> Self {
        Self {
            home: Home::Todo,
            reading: Reading::Stands(Then::End),
            sender,
            birth,
            next,
            ready: recipients.into(),
            ..Self::to_read(Class::First)
        }
    }

    /// Where to read on, if it is time to.
    pub(crate) fn reads_on_at(&self) -> Option<u64> {
        match self.reading {
            Reading::Stands(Then::More(offset)) if self.ready.len() < READ_ON_BELOW => Some(offset),
            _ => None,
        }
    }

    /// Whether every recipient has been delivered before the envelope left `todo`.
    pub(crate) fn is_delivered(&self) -> bool {
        let delivered = |(outcome, ..): &(Outcome, _, _)| *outcome == Outcome::Delivered;
        self.ready.is_empty() && self.flying == 0 && self.held.iter().all(delivered)
    }

    /// What stands behind the last recipient, once nothing of this pass is under way.
    pub(crate) fn end(&self) -> Option<Then> {
        let idle = self.ready.is_empty() && self.flying == 0 && self.recording == 0 && self.held.is_empty();
        match self.reading {
            Reading::Stands(then @ (Then::End | Then::Broken)) if idle && self.home == Home::Channel => {
                Some(then)
            }
            _ => None,
        }
    }
}
