//! Looking keys up in a constant database that anybody may have written, badly.
//!
//! Every position and length comes from the file, so each is checked against the file's size before it is
//! used. Work is bounded by the number of slots, memory by [`MAX_DATA_BYTES`].

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::{HEADER_BYTES, hash};

/// More data than this in one record is refused; a user's record has some hundred bytes.
pub const MAX_DATA_BYTES: u32 = 1 << 20;

/// Cannot look up, because …
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be read.
    #[error("cannot read the database")]
    Read(#[source] io::Error),
    /// A position or a length in the file points outside of it, or the file is shorter than its header.
    #[error("the database is damaged")]
    Damaged,
    /// The record found is longer than [`MAX_DATA_BYTES`].
    #[error("a record is longer than {MAX_DATA_BYTES} bytes")]
    TooLong,
}

/// An open constant database.
#[derive(Debug)]
pub struct Cdb {
    source: Source,
    size: u64,
}

#[derive(Debug)]
enum Source {
    File(File),
    Memory(Vec<u8>),
}

impl Cdb {
    /// Opens the file at `path`; a missing file is an ordinary `NotFound` error.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::from_file(File::open(path)?)
    }

    /// Reads from a file that is already open.
    pub fn from_file(file: File) -> io::Result<Self> {
        let size = file.metadata()?.len();
        Ok(Self { source: Source::File(file), size })
    }

    /// Reads from the content of a file: no system call a lookup.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self { size: bytes.len() as u64, source: Source::Memory(bytes) }
    }

    /// The data of the first record with this key, in the order in which the records were written.
    pub fn find(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        let Ok(key_bytes) = u32::try_from(key.len()) else { return Ok(None) };
        let hash = hash(key);
        let (table, slots) = self.pair(u64::from(hash & 255) * 8)?;
        if slots == 0 {
            return Ok(None);
        }
        if table + slots * 8 > self.size {
            return Err(ReadError::Damaged);
        }
        let start = u64::from(hash >> 8) % slots;
        for step in 0..slots {
            let slot = (start + step) % slots;
            let (slot_hash, record) = self.pair(table + slot * 8)?;
            if record == 0 {
                return Ok(None);
            }
            if slot_hash != u64::from(hash) {
                continue;
            }
            let (found_key_bytes, data_bytes) = self.pair(record)?;
            if found_key_bytes != u64::from(key_bytes) {
                continue;
            }
            let data_at = record + 8 + found_key_bytes;
            if record < HEADER_BYTES || data_at + data_bytes > self.size {
                return Err(ReadError::Damaged);
            }
            if !self.same_key(record + 8, key)? {
                continue;
            }
            if data_bytes > u64::from(MAX_DATA_BYTES) {
                return Err(ReadError::TooLong);
            }
            return self.bytes(data_at, data_bytes).map(Some);
        }
        Ok(None)
    }

    /// Whether the bytes at `at` are `key`, compared piece by piece: nothing of the file's length is allocated.
    fn same_key(&self, at: u64, key: &[u8]) -> Result<bool, ReadError> {
        let mut piece = [0u8; 512];
        let mut at = at;
        for expected in key.chunks(piece.len()) {
            let Some(found) = piece.get_mut(..expected.len()) else { return Err(ReadError::Damaged) };
            self.read(found, at)?;
            if found != expected {
                return Ok(false);
            }
            at += expected.len() as u64;
        }
        Ok(true)
    }

    /// Two numbers at `at`.
    fn pair(&self, at: u64) -> Result<(u64, u64), ReadError> {
        let mut bytes = [0u8; 8];
        self.read(&mut bytes, at)?;
        let [a, b, c, d, e, f, g, h] = bytes;
        Ok((u64::from(u32::from_le_bytes([a, b, c, d])), u64::from(u32::from_le_bytes([e, f, g, h]))))
    }

    fn bytes(&self, at: u64, count: u64) -> Result<Vec<u8>, ReadError> {
        let mut bytes = vec![0; usize::try_from(count).map_err(|_| ReadError::Damaged)?];
        self.read(&mut bytes, at)?;
        Ok(bytes)
    }

    fn read(&self, into: &mut [u8], at: u64) -> Result<(), ReadError> {
        let file = match &self.source {
            Source::File(file) => file,
            Source::Memory(bytes) => {
                let from = usize::try_from(at).ok().and_then(|at| bytes.get(at..));
                let found = from.and_then(|rest| rest.get(..into.len())).ok_or(ReadError::Damaged)?;
                into.copy_from_slice(found);
                return Ok(());
            }
        };
        file.read_exact_at(into, at).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => ReadError::Damaged,
            _ => ReadError::Read(error),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use proptest::prelude::*;

    use super::*;
    use crate::Writer;

    fn opened(bytes: &[u8]) -> Cdb {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Cdb::from_file(file).unwrap()
    }

    fn made(records: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
        let mut writer = Writer::new(Cursor::new(Vec::new())).unwrap();
        for (key, data) in records {
            writer.add(key, data).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn finds_what_was_written_and_the_first_of_two() {
        let cdb = opened(&made(&[
            (b"!joe\0".to_vec(), b"one".to_vec()),
            (b"!joe\0".to_vec(), b"two".to_vec()),
            (b"".to_vec(), b"-".to_vec()),
        ]));
        assert_eq!(cdb.find(b"!joe\0").unwrap().unwrap(), b"one");
        assert_eq!(cdb.find(b"").unwrap().unwrap(), b"-");
        assert_eq!(cdb.find(b"!ann\0").unwrap(), None);
    }

    #[test]
    fn a_file_without_a_whole_header_is_damaged() {
        assert!(matches!(opened(b"").find(b"x"), Err(ReadError::Damaged)));
        assert!(matches!(opened(&[0; 100]).find(b"x"), Err(ReadError::Damaged)));
    }

    #[test]
    fn a_table_without_a_free_slot_ends() {
        let mut bytes = made(&[(b"k".to_vec(), b"v".to_vec())]);
        // Both slots of the only table point to the one record, under a hash of another key in the same table.
        let other = (0u32..).map(|n| n.to_le_bytes()).find(|n| hash(n) & 255 == hash(b"k") & 255).unwrap();
        let table = bytes.len() - 16;
        for slot in 0..2 {
            bytes[table + slot * 8..][..4].copy_from_slice(&hash(&other).to_le_bytes());
            bytes[table + slot * 8 + 4..][..4].copy_from_slice(&2048u32.to_le_bytes());
        }
        assert_eq!(opened(&bytes).find(&other).unwrap(), None);
    }

    #[test]
    fn a_record_beyond_the_end_is_damaged() {
        let mut bytes = made(&[(b"k".to_vec(), b"v".to_vec())]);
        bytes[2052..2056].copy_from_slice(&0xffff_fff0u32.to_le_bytes());
        assert!(matches!(opened(&bytes).find(b"k"), Err(ReadError::Damaged)));
    }

    #[test]
    fn a_huge_record_is_refused() {
        let big = vec![b'x'; MAX_DATA_BYTES as usize + 1];
        let cdb = opened(&made(&[(b"k".to_vec(), big)]));
        assert!(matches!(cdb.find(b"k"), Err(ReadError::TooLong)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn everything_written_is_found(
            records in prop::collection::btree_map(prop::collection::vec(any::<u8>(), 0..700), prop::collection::vec(any::<u8>(), 0..40), 0..40)
        ) {
            let records: Vec<_> = records.into_iter().collect();
            let cdb = opened(&made(&records));
            for (key, data) in &records {
                prop_assert_eq!(cdb.find(key).unwrap(), Some(data.clone()));
            }
        }

        #[test]
        fn a_damaged_file_never_panics(
            records in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..4), prop::collection::vec(any::<u8>(), 0..4)), 1..8),
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..30),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = made(&records);
            for (at, value) in damage {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            bytes.truncate(cut.index(bytes.len()) + 1);
            let (cdb, in_memory) = (opened(&bytes), Cdb::from_bytes(bytes));
            for (key, _) in &records {
                prop_assert_eq!(cdb.find(key).ok(), in_memory.find(key).ok());
            }
        }
    }
}
