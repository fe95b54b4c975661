//! A message on its way to the queue: the bytes stream through the door while they arrive.

use super::wire::{Stop, Wire};
use super::{Ground, Protocol, seconds_now};
use crate::door::HandOff;
use crate::verdict::Verdict;
use contracts::hand_off;
use netstring::{answer, lines::LineEnds};
use tokio::io::{AsyncRead, AsyncWrite};

/// Said of a message above databytes, for each recipient.
pub const TOO_LARGE: &[u8] = b"Dsorry, that message size exceeds my databytes limit (#5.3.4)";

/// A message, as far as it has come.
#[derive(Debug)]
pub struct Incoming<'d> {
    hand_off: Option<HandOff<'d>>,
    /// The largest that is taken, in bytes as stored.
    limit: u64,
    stored: u64,
    is_too_large: bool,
}

impl<'d> Incoming<'d> {
    /// Opens the door, unless it is plain that a message of at least `least` bytes is above `limit`.
    pub async fn open(protocol: Protocol, ground: Ground<'d>, least: u64, limit: u64) -> Result<Self, Stop> {
        let mut incoming = Self { hand_off: None, limit, stored: 0, is_too_large: least > limit };
        if !incoming.is_too_large {
            let mut hand_off = ground.door.open(ground.over).await.map_err(|_| Stop::Trouble)?;
            hand_off.write(&received(protocol, ground)).await;
            incoming.hand_off = Some(hand_off);
        }
        Ok(incoming)
    }

    /// Takes `length` bytes from the wire.
    pub async fn receive<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        wire: &mut Wire<'_, S>,
        length: u64,
        mut lines: Option<LineEnds>,
    ) -> Result<(), Stop> {
        let (mut left, mut turned) = (length, Vec::new());
        while left > 0 {
            let piece = wire.some(left).await?;
            left = left.saturating_sub(count(piece));
            match &mut lines {
                None => self.store(piece).await,
                Some(lines) => {
                    turned.clear();
                    lines.push(piece, &mut turned);
                    self.store(&turned).await;
                }
            }
        }
        if let Some(lines) = lines {
            turned.clear();
            lines.finish(&mut turned);
            self.store(&turned).await;
        }
        Ok(())
    }

    async fn store(&mut self, bytes: &[u8]) {
        self.stored = self.stored.saturating_add(count(bytes));
        if self.stored > self.limit {
            self.is_too_large = true;
            self.abandon();
        }
        if let Some(hand_off) = &mut self.hand_off {
            hand_off.write(bytes).await;
        }
    }

    /// True once more than the limit has come.
    pub fn is_too_large(&self) -> bool {
        self.is_too_large
    }

    /// Nothing is to be queued.
    pub fn abandon(&mut self) {
        if let Some(hand_off) = self.hand_off.take() {
            hand_off.abandon();
        }
    }

    /// Queues it; the answer.
    pub async fn finish(&mut self, sender: &[u8], recipients: &[Vec<u8>]) -> Vec<u8> {
        let Some(hand_off) = self.hand_off.take() else {
            return TOO_LARGE.to_vec();
        };
        let envelope = hand_off::encode(sender, recipients.iter().map(Vec::as_slice));
        match hand_off.finish(b"", &envelope).await {
            Verdict::Queued { qp } => answer::accepted(seconds_now(), qp),
            Verdict::Refused(words) => words,
        }
    }
}

impl Drop for Incoming<'_> {
    /// A conversation that breaks off queues nothing.
    fn drop(&mut self) {
        self.abandon();
    }
}

fn count(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

fn received(protocol: Protocol, ground: Ground<'_>) -> Vec<u8> {
    let client = ground.client;
    let known = message::received::Client {
        remote_host: &client.remote_host,
        remote_info: client.remote_info.as_deref(),
        remote_ip: &client.remote_ip,
        local: &client.local,
        helo: None,
        protocol: protocol.word(),
    };
    message::received::by_server(&known, seconds_now())
}
