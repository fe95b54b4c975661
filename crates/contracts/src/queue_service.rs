//! Between a local program and the queue service on `run/queue`: a stream of hand-offs, one after the other.
//!
//! ```text
//! hand-off: message as chunks, then envelope (see `hand_off`) as chunks
//! chunks:   (length u32 BE, that many bytes)*  length 0
//! reply:    exit code (1 byte)  qp (u64 BE)  text length (u16 BE)  text
//! ```
//!
//! A client that goes away before the last chunk has queued nothing. After an error the service reads the rest
//! of the hand-off, throws it away and then replies, so that the client need not write and read at once. Text
//! is empty unless the exit code is 82 (custom).

/// The longest chunk a client may send.
pub const CHUNK_MAX_BYTES: usize = 1 << 20;
/// The longest custom text of a reply.
pub const TEXT_MAX_BYTES: usize = crate::queue_exit::CUSTOM_TEXT_MAX_BYTES;
/// Bytes of a reply before its text.
pub const REPLY_HEAD_BYTES: usize = 11;

/// The four bytes before a chunk; zero ends the message or the envelope.
///
/// A length above [`CHUNK_MAX_BYTES`] is the caller's bug; it is written as it is and the service hangs up.
pub fn chunk_head(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}

/// What comes next in a stream of chunks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Chunk {
    /// So many bytes follow.
    Bytes(usize),
    /// The message, or the envelope, is complete.
    End,
}

/// A chunk longer than [`CHUNK_MAX_BYTES`]: not one of our clients.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a chunk is longer than {CHUNK_MAX_BYTES} bytes")]
pub struct ChunkTooLong;

/// Reads a chunk's head.
pub fn decode_chunk_head(head: [u8; 4]) -> Result<Chunk, ChunkTooLong> {
    match usize::try_from(u32::from_be_bytes(head)) {
        Ok(0) => Ok(Chunk::End),
        Ok(length) if length <= CHUNK_MAX_BYTES => Ok(Chunk::Bytes(length)),
        _ => Err(ChunkTooLong),
    }
}

/// The service's answer to one hand-off.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    /// qmail-queue(8)'s exit code.
    pub exit: u8,
    /// The number that callers print as `qp`: the queue id. 0 when nothing was queued.
    pub qp: u64,
    /// A custom text, with exit code 82.
    pub text: Vec<u8>,
}

impl Reply {
    /// The bytes on the wire; text beyond the limit is cut.
    pub fn encode(&self) -> Vec<u8> {
        let text = self.text.get(..TEXT_MAX_BYTES).unwrap_or(&self.text);
        let length = u16::try_from(text.len()).unwrap_or(0);
        let mut out = vec![self.exit];
        out.extend_from_slice(&self.qp.to_be_bytes());
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(text);
        out
    }

    /// Reads the fixed part of a reply: exit code, qp, and how many bytes of text follow.
    pub fn decode_head(head: [u8; REPLY_HEAD_BYTES]) -> (u8, u64, usize) {
        let [exit, q0, q1, q2, q3, q4, q5, q6, q7, l0, l1] = head;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        (exit, u64::from_be_bytes([q0, q1, q2, q3, q4, q5, q6, q7]), length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_head_is_an_answer(head: [u8; 4]) {
            if let Ok(Chunk::Bytes(n)) = decode_chunk_head(head) {
                prop_assert!(n <= CHUNK_MAX_BYTES);
                prop_assert_eq!(chunk_head(n), head);
            }
        }

        #[test]
        fn replies_come_back(exit: u8, qp: u64, text in proptest::collection::vec(any::<u8>(), 0..=TEXT_MAX_BYTES)) {
            let wire = Reply { exit, qp, text: text.clone() }.encode();
            let (head, rest) = wire.split_first_chunk::<REPLY_HEAD_BYTES>().unwrap();
            prop_assert_eq!(Reply::decode_head(*head), (exit, qp, text.len()));
            prop_assert_eq!(rest, &text[..]);
        }
    }
}
