//! All records of a database, in the order in which they were written.

use crate::{HEADER_BYTES, ReadError};

/// The records in the bytes of a file. An error is the last item.
pub fn records(bytes: &[u8]) -> Records<'_> {
    // The first table begins where the records end.
    let end = number(bytes, 0).filter(|end| *end >= HEADER_BYTES as usize && *end <= bytes.len());
    Records {
        bytes: bytes.get(..end.unwrap_or(0)).unwrap_or_default(),
        at: HEADER_BYTES as usize,
        damaged: end.is_none(),
    }
}

/// See [`records`].
#[derive(Debug)]
pub struct Records<'a> {
    bytes: &'a [u8],
    at: usize,
    damaged: bool,
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<(&'a [u8], &'a [u8]), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if std::mem::take(&mut self.damaged) {
            return Some(Err(ReadError::Damaged));
        }
        if self.at >= self.bytes.len() {
            return None;
        }
        let record = self.record();
        if record.is_none() {
            self.at = self.bytes.len();
        }
        Some(record.ok_or(ReadError::Damaged))
    }
}

impl<'a> Records<'a> {
    fn record(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        let key = self.at.checked_add(8)?;
        let data = key.checked_add(number(self.bytes, self.at)?)?;
        let end = data.checked_add(number(self.bytes, self.at.checked_add(4)?)?)?;
        let record = (self.bytes.get(key..data)?, self.bytes.get(data..end)?);
        self.at = end;
        Some(record)
    }
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let four = bytes.get(at..)?.first_chunk::<4>()?;
    usize::try_from(u32::from_le_bytes(*four)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Writer;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_written_is_listed(written: Vec<(Vec<u8>, Vec<u8>)>) {
            let mut writer = Writer::new(std::io::Cursor::new(Vec::new())).unwrap();
            for (key, data) in &written {
                writer.add(key, data).unwrap();
            }
            let file = writer.finish().unwrap().into_inner();
            let read: Vec<_> = records(&file).map(|r| r.map(|(k, d)| (k.to_vec(), d.to_vec())).unwrap()).collect();
            prop_assert_eq!(read, written);
        }

        #[test]
        fn any_bytes_come_to_an_end(mut bytes in proptest::collection::vec(any::<u8>(), 2048..2200), end in 0_u32..2300) {
            bytes[..4].copy_from_slice(&end.to_le_bytes());
            prop_assert!(records(&bytes).count() <= 20);
        }
    }
}
