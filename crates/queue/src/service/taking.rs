//! Reading one hand-off off a connection and into the queue.

use crate::{
    EnqueueError, Queue,
    disk::Disk,
    incoming::{Caller, Incoming},
};
use contracts::{
    QueueId,
    queue_service::{Chunk, decode_chunk_head},
};
use std::{
    io::{self, BufRead},
    time::{Duration, Instant},
};

/// The longest hand-off, as the alarm of `qmail-queue`.
const HAND_OFF_TIMEOUT: Duration = Duration::from_secs(86_400);
/// What is read and thrown away after an error, before the connection is closed.
const DRAIN_MAX_BYTES: u64 = 1 << 30;

/// Takes one hand-off. An outer error means that the peer has gone or talks nonsense: nothing was queued and nobody
/// is left to be told. With the result comes whether all of the hand-off has been read.
pub(super) fn hand_off<D: Disk>(
    queue: &Queue<D>,
    caller: &Caller,
    from: &mut impl BufRead,
) -> io::Result<(Result<QueueId, EnqueueError>, bool)> {
    let until = Instant::now().checked_add(HAND_OFF_TIMEOUT);
    let mut taking = Taking { incoming: queue.receive(caller), drain_bytes: DRAIN_MAX_BYTES };
    let mut whole =
        chunks(from, until, |bytes| taking.take(bytes.len(), |incoming| incoming.message(bytes)))?;
    taking.take(0, Incoming::end_message);
    whole =
        whole && chunks(from, until, |bytes| taking.take(bytes.len(), |incoming| incoming.envelope(bytes)))?;
    Ok((taking.incoming.and_then(|incoming| incoming.commit(caller.keep_intd)), whole))
}

/// A hand-off, or why it has failed: the rest of it is read all the same and thrown away, so that the peer need not
/// read while it writes.
struct Taking<'q, D: Disk> {
    incoming: Result<Incoming<'q, D>, EnqueueError>,
    drain_bytes: u64,
}

impl<'q, D: Disk> Taking<'q, D> {
    /// Carries out a step for so many bytes, unless an earlier one failed. False when too much has been thrown away.
    fn take(
        &mut self,
        length: usize,
        step: impl FnOnce(&mut Incoming<'q, D>) -> Result<(), EnqueueError>,
    ) -> bool {
        match &mut self.incoming {
            Ok(incoming) => {
                if let Err(error) = step(incoming) {
                    self.incoming = Err(error); // What there was of it is gone with this.
                }
                true
            }
            Err(_) => {
                self.drain_bytes = self.drain_bytes.saturating_sub(length as u64);
                self.drain_bytes > 0
            }
        }
    }
}

/// Reads chunks up to the empty one. False when `take` has had enough before.
fn chunks(
    from: &mut impl BufRead,
    until: Option<Instant>,
    mut take: impl FnMut(&[u8]) -> bool,
) -> io::Result<bool> {
    loop {
        let mut head = [0; 4];
        from.read_exact(&mut head)?;
        let mut left = match decode_chunk_head(head) {
            Ok(Chunk::End) => return Ok(true),
            Ok(Chunk::Bytes(length)) => length,
            Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        };
        if until.is_some_and(|until| Instant::now() > until) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        while left > 0 {
            let available = from.fill_buf()?;
            let piece = available.get(..left.min(available.len())).unwrap_or_default();
            if piece.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let (length, go_on) = (piece.len(), take(piece));
            from.consume(length);
            left = left.saturating_sub(length);
            if !go_on {
                return Ok(false);
            }
        }
    }
}
