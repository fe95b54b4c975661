//! Writing a constant database, byte for byte as the original does.

use std::io::{self, BufWriter, Seek, SeekFrom, Write};

use crate::{HEADER_BYTES, TABLES, hash};

/// Cannot write, because …
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The file cannot be written.
    #[error("cannot write the database")]
    Write(#[from] io::Error),
    /// Positions are 32-bit numbers; one more record would need a longer one.
    #[error("the database would be larger than 4 GiB")]
    TooLarge,
}

/// A database being written. Nothing is readable before [`Writer::finish`].
#[derive(Debug)]
pub struct Writer<W: Write + Seek> {
    out: BufWriter<W>,
    position: u32,
    entries: u64,
    /// (hash, position of the record), in the order of writing, by table.
    tables: Vec<Vec<(u32, u32)>>,
}

impl<W: Write + Seek> Writer<W> {
    /// Begins at the start of `out`, which should be empty.
    pub fn new(out: W) -> io::Result<Self> {
        let mut out = BufWriter::new(out);
        out.write_all(&[0; HEADER_BYTES as usize])?;
        Ok(Self { out, position: HEADER_BYTES as u32, entries: 0, tables: vec![Vec::new(); TABLES] })
    }

    /// Adds a record. Keys may repeat; readers find the first.
    pub fn add(&mut self, key: &[u8], data: &[u8]) -> Result<(), WriteError> {
        let key_bytes = u32::try_from(key.len()).map_err(|_| WriteError::TooLarge)?;
        let data_bytes = u32::try_from(data.len()).map_err(|_| WriteError::TooLarge)?;
        let next = u64::from(self.position) + 8 + u64::from(key_bytes) + u64::from(data_bytes);
        // The tables come after the last record: two slots of eight bytes for each.
        if next + 16 * (self.entries + 1) > u64::from(u32::MAX) {
            return Err(WriteError::TooLarge);
        }
        self.out.write_all(&pair(key_bytes, data_bytes))?;
        self.out.write_all(key)?;
        self.out.write_all(data)?;
        let hash = hash(key);
        if let Some(table) = self.tables.get_mut((hash & 255) as usize) {
            table.push((hash, self.position));
        }
        self.entries += 1;
        self.position = u32::try_from(next).map_err(|_| WriteError::TooLarge)?;
        Ok(())
    }

    /// Writes tables and header and gives the file back, flushed but not synced.
    pub fn finish(mut self) -> Result<W, WriteError> {
        let mut header = Vec::with_capacity(HEADER_BYTES as usize);
        for table in &self.tables {
            let slots = u32::try_from(table.len() * 2).map_err(|_| WriteError::TooLarge)?;
            header.extend_from_slice(&pair(self.position, slots));
            for (hash, record) in placed(table) {
                self.out.write_all(&pair(hash, record))?;
            }
            self.position = self.position.checked_add(slots * 8).ok_or(WriteError::TooLarge)?;
        }
        self.out.seek(SeekFrom::Start(0))?;
        self.out.write_all(&header)?;
        self.out.into_inner().map_err(|error| WriteError::Write(error.into_error()))
    }
}

/// A table's slots: each entry in the first free slot from where its hash points.
fn placed(table: &[(u32, u32)]) -> Vec<(u32, u32)> {
    let mut slots = vec![(0, 0); table.len() * 2];
    let count = slots.len().max(1);
    for &(hash, record) in table {
        let start = (hash >> 8) as usize % count;
        let (before, after) = slots.split_at_mut(start);
        if let Some(free) = after.iter_mut().chain(before).find(|(_, record)| *record == 0) {
            *free = (hash, record);
        }
    }
    slots
}

fn pair(first: u32, second: u32) -> [u8; 8] {
    let ([a, b, c, d], [e, f, g, h]) = (first.to_le_bytes(), second.to_le_bytes());
    [a, b, c, d, e, f, g, h]
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    fn ours(records: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
        let mut writer = Writer::new(Cursor::new(Vec::new())).unwrap();
        for (key, data) in records {
            writer.add(key, data).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn theirs(records: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cdb");
        let mut writer = cdb2::CDBWriter::create(path.to_str().unwrap()).unwrap();
        for (key, data) in records {
            writer.add(key, data).unwrap();
        }
        writer.finish().unwrap();
        std::fs::read(path).unwrap()
    }

    #[test]
    fn an_empty_database_is_a_header() {
        assert_eq!(ours(&[]), theirs(&[]));
        assert_eq!(ours(&[]).len(), 2048);
    }

    #[test]
    fn two_thousand_records_are_the_originals_bytes() {
        let records: Vec<_> = (0..2000)
            .map(|n| (format!("!user{}\0", n % 1500).into_bytes(), format!("{n}").into_bytes()))
            .collect();
        assert!(ours(&records) == theirs(&records));
    }

    #[test]
    fn a_file_above_four_gigabytes_is_refused() {
        struct Nowhere;
        impl Write for Nowhere {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        impl Seek for Nowhere {
            fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
                Ok(0)
            }
        }
        let data = vec![0; 64 << 20];
        let mut writer = Writer::new(Nowhere).unwrap();
        let added = (0..64).take_while(|_| writer.add(b"", &data).is_ok()).count();
        assert_eq!(added, 63);
        assert!(matches!(writer.add(b"", &data), Err(WriteError::TooLarge)));
        writer.add(b"", b"small").unwrap();
        writer.finish().unwrap();
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn any_records_are_the_originals_bytes(
            records in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..6), prop::collection::vec(any::<u8>(), 0..20)), 0..60)
        ) {
            prop_assert_eq!(ours(&records), theirs(&records));
        }
    }
}
