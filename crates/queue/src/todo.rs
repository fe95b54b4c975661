//! Queued envelopes: reading `todo/ID` (S4).

use crate::{
    disk::{Disk, absent_is_fine},
    store::Queue,
};
use contracts::{
    QueueId,
    envelope::{TodoRecord, UnknownRecord},
};
use std::io;

/// The longest envelope that is taken in or read. A longer file is broken.
pub const ENVELOPE_MAX_BYTES: u64 = 64 << 20;

/// What is known of a queued message before its first attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TodoEntry {
    /// The message.
    pub id: QueueId,
    /// Real uid of whoever queued it.
    pub uid: u64,
    /// What logs call `qp`.
    pub qp: u64,
    /// Arrival: the modification time of `todo/ID`, seconds since 1970. To become that of `info/ID`.
    pub birth: i64,
    /// Length of `mess/ID`.
    pub size_bytes: u64,
    envelope: Vec<u8>,
    sender: std::ops::Range<usize>,
    recipients: usize,
}

impl TodoEntry {
    /// The envelope sender.
    pub fn sender(&self) -> &[u8] {
        self.envelope.get(self.sender.clone()).unwrap_or_default()
    }

    /// How many recipients there are.
    pub fn recipient_count(&self) -> usize {
        self.recipients
    }

    /// The recipients in the order of the file, not yet rewritten.
    pub fn recipients(&self) -> impl Iterator<Item = &[u8]> {
        records(&self.envelope).filter_map(|record| match TodoRecord::decode(record) {
            Ok(TodoRecord::Recipient(address)) => Some(address),
            _ => None,
        })
    }
}

/// Why a queued message cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TodoError {
    /// There is no `todo/ID`: it has been dealt with, or the hint was wrong.
    #[error("not in todo")]
    Gone,
    /// `todo/ID` exists and `mess/ID` does not: nothing can be delivered.
    #[error("no message file")]
    NoMessage,
    /// The file will never be readable; see [`Queue::quarantine`].
    #[error("broken envelope: {0}")]
    Broken(&'static str),
    /// Trouble that may pass.
    #[error("cannot read the envelope")]
    Io(#[from] io::Error),
}

impl<D: Disk> Queue<D> {
    /// Reads `todo/ID` and looks at `mess/ID`.
    pub fn read_todo(&self, id: QueueId) -> Result<TodoEntry, TodoError> {
        let file = self.open_envelope(id)?.ok_or(TodoError::Gone)?;
        let stat = self.disk.stat_open(&file)?;
        if !stat.is_file {
            return Err(TodoError::Broken("not a plain file"));
        }
        if stat.size_bytes > ENVELOPE_MAX_BYTES {
            return Err(TodoError::Broken("too long"));
        }
        let envelope = self.read_whole(&file, stat.size_bytes)?;
        let message =
            absent_is_fine(self.disk.stat(&self.layout.message(id)))?.ok_or(TodoError::NoMessage)?;
        let mut entry = parse(envelope)?;
        (entry.id, entry.birth, entry.size_bytes) = (id, stat.modified, message.size_bytes);
        Ok(entry)
    }

    fn open_envelope(&self, id: QueueId) -> io::Result<Option<D::File>> {
        for name in self.layout.envelopes(id) {
            if let Some(file) = absent_is_fine(self.disk.open(&name))? {
                return Ok(Some(file));
            }
        }
        Ok(None)
    }

    /// All of a file that was `size_bytes` long when it was looked at.
    pub(crate) fn read_whole(&self, file: &D::File, size_bytes: u64) -> io::Result<Vec<u8>> {
        let length = usize::try_from(size_bytes).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(length).map_err(|_| io::ErrorKind::OutOfMemory)?;
        bytes.resize(length, 0);
        let read = self.disk.read_at(file, 0, &mut bytes)?;
        bytes.truncate(read);
        Ok(bytes)
    }
}

/// Records in any order, as the original reads them; the first sender counts.
fn parse(envelope: Vec<u8>) -> Result<TodoEntry, TodoError> {
    if envelope.last().is_some_and(|&byte| byte != 0) {
        return Err(TodoError::Broken("last record has no end"));
    }
    let (mut uid, mut qp, mut sender, mut recipients) = (0, 0, None, 0usize);
    let mut offset = 0usize;
    for record in records(&envelope) {
        let next = offset.saturating_add(record.len()).saturating_add(1);
        match TodoRecord::decode(record) {
            Ok(TodoRecord::Uid(number)) => uid = number,
            Ok(TodoRecord::Qp(number)) => qp = number,
            Ok(TodoRecord::Sender(_)) if sender.is_none() => {
                sender = Some(offset.saturating_add(1)..next.saturating_sub(1));
            }
            Ok(TodoRecord::Sender(_)) => {}
            Ok(TodoRecord::Recipient(_)) => recipients = recipients.saturating_add(1),
            Err(UnknownRecord) => return Err(TodoError::Broken("unknown record type")),
        }
        offset = next;
    }
    let sender = sender.ok_or(TodoError::Broken("no sender"))?;
    Ok(TodoEntry { id: QueueId(0), uid, qp, birth: 0, size_bytes: 0, envelope, sender, recipients })
}

/// The records of a file that ends with NUL or is empty.
fn records(envelope: &[u8]) -> impl Iterator<Item = &[u8]> {
    let body = envelope.strip_suffix(b"\0");
    body.into_iter().flat_map(|body| body.split(|&byte| byte == 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn envelopes_of_the_original_and_broken_ones() {
        let entry = parse(b"u5\0p18810\0Fs@x\0Tr@y\0T\0".to_vec()).unwrap();
        assert_eq!(
            (entry.uid, entry.qp, entry.sender(), entry.recipient_count()),
            (5, 18810, &b"s@x"[..], 2)
        );
        assert_eq!(entry.recipients().collect::<Vec<_>>(), [&b"r@y"[..], b""]);
        let entry = parse(b"Tr@y\0F\0p1\0".to_vec()).unwrap();
        assert_eq!((entry.sender(), entry.recipient_count()), (&b""[..], 1));
        for broken in [&b""[..], b"u1\0p1\0", b"Fs@x\0Tr@y", b"Fs@x\0Xwhat\0", b"Fs@x\0\0", b"\0"] {
            assert!(matches!(parse(broken.to_vec()), Err(TodoError::Broken(_))), "{broken:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_envelope_or_broken(bytes: Vec<u8>) {
            let _ = parse(bytes);
        }

        #[test]
        fn recipients_come_back(recipients in proptest::collection::vec(proptest::collection::vec(1u8.., 0..40), 0..8)) {
            let mut bytes = contracts::envelope::todo_head(1, 2);
            bytes.extend(contracts::envelope::info(b"s@x"));
            recipients.iter().for_each(|r| bytes.extend(contracts::envelope::recipient(r)));
            let entry = parse(bytes).unwrap();
            prop_assert_eq!(entry.recipients().collect::<Vec<_>>(), recipients);
        }
    }
}
