//! Envelopes on disk: `intd/ID`, `todo/ID`, `info/ID`, `local/ID`, `remote/ID` (contract 4.2).
//!
//! Records end with NUL; their first byte says what they are.
//!
//! | record | where | content |
//! |---|---|---|
//! | `u` | todo, intd | decimal real uid of who queued it |
//! | `p` | todo, intd | decimal process id of `qmail-queue`, or the queue id when the service queued it |
//! | `F` | todo, intd, info | envelope sender |
//! | `T` | todo, intd, local, remote | recipient, not finished |
//! | `D` | local, remote | recipient, finished |

use crate::queue_id::decimal;

/// One record of `todo/ID` or `intd/ID`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TodoRecord<'a> {
    /// Real uid of the caller.
    Uid(u64),
    /// What log analysers know as `qp`.
    Qp(u64),
    /// Envelope sender.
    Sender(&'a [u8]),
    /// Envelope recipient, not yet rewritten.
    Recipient(&'a [u8]),
}

/// A record that begins with a byte we do not know, or with a number that is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("unknown record type")]
pub struct UnknownRecord;

impl<'a> TodoRecord<'a> {
    /// Decodes one record, without its NUL.
    ///
    /// A number that is no number reads as 0, as in the original: it only goes to the log.
    pub fn decode(record: &'a [u8]) -> Result<Self, UnknownRecord> {
        let (kind, rest) = record.split_first().ok_or(UnknownRecord)?;
        match kind {
            b'u' => Ok(Self::Uid(decimal(rest).unwrap_or(0))),
            b'p' => Ok(Self::Qp(decimal(rest).unwrap_or(0))),
            b'F' => Ok(Self::Sender(rest)),
            b'T' => Ok(Self::Recipient(rest)),
            _ => Err(UnknownRecord),
        }
    }
}

/// The beginning of `todo/ID`: who queued it. The records of the hand-off follow.
pub fn todo_head(uid: u32, qp: u64) -> Vec<u8> {
    format!("u{uid}\0p{qp}\0").into_bytes()
}

/// `info/ID`: the sender.
pub fn info(sender: &[u8]) -> Vec<u8> {
    record(b'F', sender)
}

/// One `T` record of `local/ID` or `remote/ID`.
pub fn recipient(address: &[u8]) -> Vec<u8> {
    record(b'T', address)
}

/// The sender in `info/ID`: its first record, which must be an `F`. `None` = unreadable.
pub fn decode_info(bytes: &[u8]) -> Option<&[u8]> {
    let end = memchr::memchr(0, bytes)?;
    bytes.get(..end)?.strip_prefix(b"F")
}

/// The byte that marks a recipient as finished, written over its `T`.
pub const DONE: u8 = b'D';
/// The byte of a recipient that still waits.
pub const WAITING: u8 = b'T';

fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![kind];
    crate::fields::push(&mut out, content);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn records_of_a_real_todo_file() {
        let file = b"u0\0p18810\0Fjoe@test.example\0Tjoe@test.example\0";
        let records: Vec<_> = crate::fields::split(file).unwrap().map(TodoRecord::decode).collect();
        assert_eq!(
            records,
            [
                Ok(TodoRecord::Uid(0)),
                Ok(TodoRecord::Qp(18810)),
                Ok(TodoRecord::Sender(b"joe@test.example")),
                Ok(TodoRecord::Recipient(b"joe@test.example")),
            ]
        );
        assert_eq!(todo_head(0, 18810), &file[..10]);
    }

    #[test]
    fn info_is_its_first_record() {
        assert_eq!(decode_info(b"Fa@b\0"), Some(&b"a@b"[..]));
        assert_eq!(decode_info(b"F\0"), Some(&b""[..]));
        assert_eq!(decode_info(b"Fa@b\0Fc@d\0"), Some(&b"a@b"[..]));
        assert_eq!(decode_info(b"Fa@b"), None);
        assert_eq!(decode_info(b"Ta@b\0"), None);
        assert_eq!(decode_info(b""), None);
    }

    proptest! {
        #[test]
        fn any_record_is_an_answer(bytes: Vec<u8>) {
            let _ = TodoRecord::decode(&bytes);
            let _ = decode_info(&bytes);
        }

        #[test]
        fn what_is_encoded_is_decoded(address in proptest::collection::vec(1u8.., 0..50)) {
            let file = info(&address);
            prop_assert_eq!(decode_info(&file), Some(&address[..]));
            let record = recipient(&address);
            prop_assert_eq!(TodoRecord::decode(&record[..record.len() - 1]), Ok(TodoRecord::Recipient(&address)));
        }
    }
}
