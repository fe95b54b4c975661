//! Requests of `qmail-send` to `qmail-clean` and the answers (qmail-clean(8), contract 5.4).
//!
//! ```text
//! foop/ID NUL   remove intd/ID, then mess/HASH/ID
//! todo/ID NUL   remove intd/ID, then todo/ID
//! hold/ID NUL   set mess/HASH/ID, intd/ID and todo/ID aside into queue/quarantine (ours; the original answers `x`)
//! ```
//!
//! One byte answers each request, in order: `+` done (a missing file is fine), `!` an unlink failed, `x` not
//! understood. The original emits one `x` for each bad byte and then acts on the digits before it (D33); we
//! answer once and never act on a malformed name.

use crate::QueueId;

/// What to remove.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CleanRequest {
    /// `foop`: envelope under construction and message.
    Message(QueueId),
    /// `todo`: envelope under construction and queued envelope.
    Envelope(QueueId),
    /// `hold`: message and envelope of a broken entry, to be kept for the administrator (D27).
    Hold(QueueId),
}

/// Not a request: answered with [`CleanReply::NotUnderstood`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a clean request")]
pub struct NotARequest;

/// The longest request, NUL included; longer ones are `x`.
pub const REQUEST_MAX_BYTES: usize = 100;

impl CleanRequest {
    /// The bytes on the wire, NUL included.
    pub fn encode(self) -> Vec<u8> {
        match self {
            Self::Message(id) => format!("foop/{id}\0"),
            Self::Envelope(id) => format!("todo/{id}\0"),
            Self::Hold(id) => format!("hold/{id}\0"),
        }
        .into_bytes()
    }

    /// Decodes one request, without its NUL.
    pub fn decode(request: &[u8]) -> Result<Self, NotARequest> {
        // No file has a number that does not fit, so there is nothing to remove and nothing wrong with asking: such a
        // number stands for the largest, which no inode has.
        let number = |digits: &[u8]| match crate::queue_id::decimal(digits) {
            Some(number) => Ok(QueueId(number)),
            None if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) => Ok(QueueId(u64::MAX)),
            None => Err(NotARequest),
        };
        if request.len().saturating_add(1) > REQUEST_MAX_BYTES {
            return Err(NotARequest);
        }
        match request.split_at_checked(5) {
            Some((b"foop/", digits)) => Ok(Self::Message(number(digits)?)),
            Some((b"todo/", digits)) => Ok(Self::Envelope(number(digits)?)),
            Some((b"hold/", digits)) => Ok(Self::Hold(number(digits)?)),
            _ => Err(NotARequest),
        }
    }
}

/// Cuts a byte stream into requests; what is too long to be one is not kept.
#[derive(Default, Debug)]
pub struct CleanDecoder {
    partial: Vec<u8>,
}

impl CleanDecoder {
    /// Takes the next bytes and hands on each request that they complete.
    pub fn push(&mut self, bytes: &[u8], mut request: impl FnMut(Result<CleanRequest, NotARequest>)) {
        for &byte in bytes {
            if byte == 0 {
                request(CleanRequest::decode(&self.partial));
                self.partial.clear();
            } else if self.partial.len() < REQUEST_MAX_BYTES {
                self.partial.push(byte);
            }
        }
    }
}

/// The answer to one request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum CleanReply {
    /// Both files are gone.
    Done = b'+',
    /// A file is still there.
    Failed = b'!',
    /// The request was none.
    NotUnderstood = b'x',
}

impl CleanReply {
    /// Reads an answer. Any byte but `+` means that the file may still be there.
    pub fn decode(byte: u8) -> Self {
        match byte {
            b'+' => Self::Done,
            b'x' => Self::NotUnderstood,
            _ => Self::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn requests_and_nonsense() {
        for (bytes, want) in [
            (&b"foop/123"[..], Ok(CleanRequest::Message(QueueId(123)))),
            (b"todo/1", Ok(CleanRequest::Envelope(QueueId(1)))),
            (b"hold/1", Ok(CleanRequest::Hold(QueueId(1)))),
            (b"todo/99999999999999999999999", Ok(CleanRequest::Envelope(QueueId(u64::MAX)))),
            (b"todo/", Err(NotARequest)),
            (b"todo/1x", Err(NotARequest)),
            (b"mess/1", Err(NotARequest)),
            (b"foop/../1", Err(NotARequest)),
            (b"", Err(NotARequest)),
        ] {
            assert_eq!(CleanRequest::decode(bytes), want, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn every_nul_gets_one_answer(bytes: Vec<u8>) {
            let (mut decoder, mut answers) = (CleanDecoder::default(), 0);
            decoder.push(&bytes, |_| answers += 1);
            prop_assert_eq!(answers, bytes.iter().filter(|&&b| b == 0).count());
            prop_assert!(decoder.partial.len() <= REQUEST_MAX_BYTES);
        }

        #[test]
        fn what_is_encoded_is_decoded(id: u64) {
            for request in [CleanRequest::Message, CleanRequest::Envelope, CleanRequest::Hold].map(|kind| kind(QueueId(id))) {
                let mut decoded = Vec::new();
                CleanDecoder::default().push(&request.encode(), |r| decoded.push(r));
                prop_assert_eq!(decoded, [Ok(request)]);
            }
        }
    }
}
