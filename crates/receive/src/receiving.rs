//! A message while it arrives, from 354 to the end of data.

use crate::limits::FORWARD_BYTES;
use smtp::hops::{HOPS_MAX, HopCounter};
use smtp::incoming::{DataDecoder, DataStatus};

/// What is known about a message before the door has spoken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flaw {
    /// A bare CR or LF is in it.
    BareNewline,
    /// It has been through too many hosts.
    Looping,
    /// It is larger than databytes allows.
    TooLarge,
}

/// How far it has got.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// DATA is accepted; the door is to be opened.
    Opening,
    /// Data flows.
    Arriving,
    /// All of it is here, and the door is to say what it thinks.
    Complete,
}

/// The message and what is counted about it.
#[derive(Debug)]
pub struct Receiving {
    /// How far it has got.
    pub stage: Stage,
    envelope: Vec<u8>,
    decoder: DataDecoder,
    hops: HopCounter,
    waiting: Vec<u8>,
    size_bytes: u64,
    limit_bytes: u64,
    abandoned: bool,
}

/// What to do after some bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// Read on.
    More,
    /// Enough bytes wait for the door.
    Forward,
    /// The message turned out to be unacceptable: the door is to forget it, and its end is awaited.
    Abandon,
    /// Its end, and nothing is wrong with it.
    Complete,
    /// Its end, after it was abandoned.
    Refused(Flaw),
    /// What may be its end; nothing after it can be trusted.
    RefusedForGood(Flaw),
}

impl Receiving {
    /// A message whose first lines are `received`, which does not count as its size.
    pub fn new(envelope: Vec<u8>, received: Vec<u8>, limit_bytes: u64) -> Self {
        Self {
            stage: Stage::Opening,
            envelope,
            decoder: DataDecoder::default(),
            hops: HopCounter::default(),
            waiting: received,
            size_bytes: 0,
            limit_bytes,
            abandoned: false,
        }
    }

    /// Takes bytes from the wire: how many, and what follows from them.
    pub fn push(&mut self, wire: &[u8]) -> (usize, Progress) {
        let before = self.waiting.len();
        let (used, status) = self.decoder.decode(wire, &mut self.waiting);
        self.hops.push(wire.get(..used).unwrap_or_default());
        let grown = u64::try_from(self.waiting.len().saturating_sub(before)).unwrap_or(u64::MAX);
        self.size_bytes = self.size_bytes.saturating_add(grown);
        let flaw = self.flaw();
        if flaw.is_some() {
            self.waiting.clear();
        }
        let progress = match (status, flaw) {
            (DataStatus::More, None) if self.waiting.len() >= FORWARD_BYTES => Progress::Forward,
            (DataStatus::More, Some(_)) if !self.abandoned => {
                self.abandoned = true;
                Progress::Abandon
            }
            (DataStatus::More, _) => Progress::More,
            (DataStatus::End, None) => {
                self.stage = Stage::Complete;
                Progress::Complete
            }
            (DataStatus::End, Some(flaw)) => Progress::Refused(flaw),
            (DataStatus::DoubtfulEnd, flaw) => Progress::RefusedForGood(flaw.unwrap_or(Flaw::BareNewline)),
        };
        (used, progress)
    }

    /// The bytes that wait for the door.
    pub fn waiting(&self) -> &[u8] {
        &self.waiting
    }

    /// The bytes that waited have gone to the door.
    pub fn forwarded(&mut self) {
        self.waiting.clear();
    }

    /// The envelope, which says to the door that the message is meant.
    pub fn envelope(&self) -> &[u8] {
        &self.envelope
    }

    /// In the order in which the client is told.
    fn flaw(&self) -> Option<Flaw> {
        if self.decoder.is_broken() {
            Some(Flaw::BareNewline)
        } else if self.hops.hops() >= HOPS_MAX {
            Some(Flaw::Looping)
        } else if self.size_bytes > self.limit_bytes {
            Some(Flaw::TooLarge)
        } else {
            None
        }
    }
}
