//! Recipients of a preprocessed message: `local/ID` and `remote/ID` (S5), read in pieces and marked in place.

use crate::{
    Channel,
    disk::{Disk, absent_is_fine, unlink_if_present},
    store::Queue,
};
use contracts::{
    QueueId,
    envelope::{DONE, WAITING},
};
use std::io;

/// The longest record that is read: no writer makes one that comes near (addresses end at 1002 bytes before they are
/// rewritten). A longer one is broken.
pub const RECORD_MAX_BYTES: usize = 64 * 1024;

/// A recipient on a channel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recipient {
    /// Where its record begins: what [`Queue::mark_done`] wants.
    pub offset: u64,
    /// Delivered or failed for good.
    pub done: bool,
    /// The rewritten address.
    pub address: Vec<u8>,
}

/// Part of a channel file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Piece {
    /// Recipients in file order, the finished ones too.
    pub recipients: Vec<Recipient>,
    /// Where to go on.
    pub next_offset: u64,
    /// Nothing follows.
    pub at_end: bool,
}

/// Why a channel file, or info, cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It does not exist.
    #[error("no such file")]
    Gone,
    /// It will never be readable; see [`Queue::quarantine`].
    #[error("broken: {0}")]
    Broken(&'static str),
    /// Trouble that may pass.
    #[error("cannot read")]
    Io(#[from] io::Error),
}

impl<D: Disk> Queue<D> {
    /// Reads recipients from `offset` (0, or a piece's `next_offset`) on, until there are `count` that are not done
    /// or about [`RECORD_MAX_BYTES`] have been read. A piece may be empty without being the end.
    pub fn read_channel(
        &self,
        id: QueueId,
        channel: Channel,
        offset: u64,
        count: usize,
    ) -> Result<Piece, ReadError> {
        let file =
            absent_is_fine(self.disk.open(&self.layout.channel(channel, id)))?.ok_or(ReadError::Gone)?;
        let mut bytes = vec![0; RECORD_MAX_BYTES];
        let read = self.disk.read_at(&file, offset, &mut bytes)?;
        bytes.truncate(read);
        piece(&bytes, offset, count, read < RECORD_MAX_BYTES)
    }

    /// Marks a recipient as finished: its `T` becomes `D`. Not synced: a crash may repeat the delivery, as always.
    /// After a failure, [`Queue::append_bounce`] comes first.
    pub fn mark_done(&self, id: QueueId, channel: Channel, offset: u64) -> io::Result<()> {
        self.disk.mark(&self.layout.channel(channel, id), offset, DONE)
    }

    /// Removes a channel file whose recipients are all finished; fine when it is gone.
    pub fn remove_channel(&self, id: QueueId, channel: Channel) -> io::Result<()> {
        unlink_if_present(&self.disk, &self.layout.channel(channel, id))
    }
}

/// Cuts records out of what was read at `offset`; `at_end` when the file ends with it.
fn piece(bytes: &[u8], offset: u64, count: usize, at_end: bool) -> Result<Piece, ReadError> {
    let mut piece = Piece { next_offset: offset, ..Piece::default() };
    let (mut rest, mut waiting) = (bytes, 0usize);
    while let Some(end) = memchr::memchr(0, rest) {
        let Some((record, after)) = rest.split_at_checked(end) else { break };
        let Some((&kind, address)) = record.split_first() else {
            return Err(ReadError::Broken("empty record"));
        };
        if kind != WAITING && kind != DONE {
            return Err(ReadError::Broken("unknown record type"));
        }
        let done = kind == DONE;
        piece.recipients.push(Recipient { offset: piece.next_offset, done, address: address.to_vec() });
        piece.next_offset = piece.next_offset.saturating_add(record.len() as u64).saturating_add(1);
        rest = after.get(1..).unwrap_or_default();
        waiting = waiting.saturating_add(usize::from(!done));
        if waiting >= count {
            break;
        }
    }
    piece.at_end = at_end && rest.is_empty();
    // What is left is a record that this read has cut; a whole read of nothing but one is no record.
    let stuck = piece.recipients.is_empty() && !rest.is_empty();
    let cut_off = at_end && !rest.is_empty() && memchr::memchr(0, rest).is_none();
    if stuck || cut_off {
        return Err(ReadError::Broken("last record has no end"));
    }
    Ok(piece)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads `file` to the end in pieces, `window` bytes and `count` waiting recipients at a time.
    fn read(file: &[u8], window: usize, count: usize) -> Result<Vec<Recipient>, ReadError> {
        let (mut offset, mut all) = (0usize, Vec::new());
        loop {
            let rest = &file[offset..];
            let bytes = &rest[..rest.len().min(window)];
            let piece = piece(bytes, offset as u64, count, bytes.len() < window)?;
            assert!(piece.at_end || piece.next_offset > offset as u64, "it gets on");
            offset = usize::try_from(piece.next_offset).unwrap();
            all.extend(piece.recipients);
            if piece.at_end {
                return Ok(all);
            }
        }
    }

    #[test]
    fn recipients_have_their_offsets_and_marks() {
        let recipient = |offset, done, address: &str| Recipient { offset, done, address: address.into() };
        let want = [recipient(0, false, "a@b"), recipient(5, true, "c"), recipient(8, false, "")];
        for window in [6, 7, 10, 64] {
            for count in [1, 2, 100] {
                assert_eq!(read(b"Ta@b\0Dc\0T\0", window, count).unwrap(), want);
            }
        }
        assert_eq!(read(b"", 64, 1).unwrap(), []);
        for broken in [&b"Ta@b"[..], b"Ta\0X\0", b"\0", b"Ta\0\0", b"Ta\0Tb"] {
            assert!(matches!(read(broken, 64, 100), Err(ReadError::Broken(_))), "{broken:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_recipients_or_broken(file: Vec<u8>, window in 1usize..80, count in 1usize..5) {
            let _ = read(&file, window, count);
        }

        #[test]
        fn what_is_written_is_read(addresses in proptest::collection::vec(proptest::collection::vec(1u8.., 0..40), 0..8)) {
            let file: Vec<u8> = addresses.iter().flat_map(|a| contracts::envelope::recipient(a)).collect();
            let read: Vec<_> = read(&file, 64, 3).unwrap().into_iter().map(|r| r.address).collect();
            prop_assert_eq!(read, addresses);
        }
    }
}
