//! What is written into the FIFO `queue/lock/trigger` to wake `qmail-send`.
//!
//! The original writes one NUL, which says "look into todo"; it never reads what was written. We write the new
//! message's number before the NUL, so that a busy todo directory need not be searched: a hint. Both kinds of
//! writer and both kinds of reader work together, since a bare NUL still asks for a scan and the original's
//! reader only notices that something came.
//!
//! The FIFO is open to every local user. A hint is therefore only a place to look, never a claim.

use crate::{QueueId, queue_id::decimal};

/// What a writer of the trigger asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wake {
    /// Look at `todo/ID`.
    Hint(QueueId),
    /// Look through `todo`: somebody wrote what is no hint.
    Scan,
}

/// The bytes that announce one message. Far below `PIPE_BUF`, so they arrive in one piece.
pub fn encode(id: QueueId) -> Vec<u8> {
    format!("{id}\0").into_bytes()
}

/// Splits what was read from the trigger. A record may be cut by the end of a read.
#[derive(Default, Debug)]
pub struct TriggerDecoder {
    partial: Vec<u8>,
    overlong: bool,
}

impl TriggerDecoder {
    /// No number has more digits than this; longer records are no hints and are not kept.
    const DIGITS_MAX: usize = 20;

    /// Takes what was read and tells what was asked for.
    pub fn push(&mut self, bytes: &[u8], mut wake: impl FnMut(Wake)) {
        for &byte in bytes {
            if byte == 0 {
                let hint = decimal(&self.partial).filter(|_| !self.overlong);
                wake(hint.map_or(Wake::Scan, |n| Wake::Hint(QueueId(n))));
                self.partial.clear();
                self.overlong = false;
            } else if self.partial.len() < Self::DIGITS_MAX {
                self.partial.push(byte);
            } else {
                self.overlong = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(reads: &[&[u8]]) -> Vec<Wake> {
        let (mut decoder, mut wakes) = (TriggerDecoder::default(), Vec::new());
        reads.iter().for_each(|bytes| decoder.push(bytes, |wake| wakes.push(wake)));
        wakes
    }

    #[test]
    fn numbers_are_hints_and_all_else_asks_for_a_scan() {
        let hint = |n| Wake::Hint(QueueId(n));
        assert_eq!(decode(&[b"\0"]), [Wake::Scan]);
        assert_eq!(decode(&[b"12\0" as &[u8], b"3", b"4\0"]), [hint(12), hint(34)]);
        assert_eq!(decode(&[b"../1\0"]), [Wake::Scan]);
        assert_eq!(decode(&[b"123456789012345678901\0"]), [Wake::Scan]);
        assert_eq!(decode(&[b"5"]), []);
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer_and_memory_stays_bounded(bytes: Vec<u8>) {
            let mut decoder = TriggerDecoder::default();
            decoder.push(&bytes, |_| ());
            prop_assert!(decoder.partial.len() <= TriggerDecoder::DIGITS_MAX);
        }

        #[test]
        fn what_is_encoded_is_decoded(id: u64) {
            prop_assert_eq!(decode(&[&encode(QueueId(id))]), [Wake::Hint(QueueId(id))]);
        }
    }
}
