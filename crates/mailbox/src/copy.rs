//! A message file read from its beginning in bounded pieces.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// No delivery holds more of a message than this at a time.
pub const BLOCK_BYTES: usize = 64 * 1024;

/// Small messages get a buffer of their size, but not less than this.
const SMALLEST_BLOCK_BYTES: usize = 4 * 1024;

/// A message on its way from a file, read by position.
#[derive(Debug)]
pub struct Pieces<'a> {
    file: &'a File,
    offset: u64,
}

impl<'a> Pieces<'a> {
    /// Starts at offset 0, wherever the file's own offset is.
    pub fn new(file: &'a File) -> Self {
        Self { file, offset: 0 }
    }

    /// Fills the spare room of `buffer` up to `room` bytes in all; 0 means the end.
    ///
    /// What is already in the buffer stays, so that a heading and the first piece of the
    /// message go out in one write.
    pub fn append_to(&mut self, buffer: &mut Vec<u8>, room: usize) -> io::Result<usize> {
        let held = buffer.len();
        buffer.resize(room.max(held), 0);
        let read = match buffer.get_mut(held..) {
            Some(spare) if !spare.is_empty() => self.read(spare),
            _ => Ok(0),
        };
        buffer.truncate(held.saturating_add(*read.as_ref().unwrap_or(&0)));
        read
    }

    fn read(&mut self, spare: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.file.read_at(spare, self.offset) {
                Ok(read) => {
                    self.offset = self.offset.saturating_add(read as u64);
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// How large a buffer a message of this file's size deserves, with `extra` bytes above it.
pub fn block_bytes(file: &File, extra: usize) -> usize {
    let size = file.metadata().map_or(u64::MAX, |data| data.len());
    // One byte more than the message, so that the read that fills it also sees the end.
    usize::try_from(size)
        .unwrap_or(usize::MAX)
        .saturating_add(extra)
        .saturating_add(1)
        .clamp(SMALLEST_BLOCK_BYTES, BLOCK_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Seek as _, SeekFrom, Write as _};

    #[test]
    fn a_message_is_read_whole_in_small_pieces_without_moving_the_offset() {
        let mut file = tempfile::tempfile().unwrap();
        let text: Vec<u8> = (0..10_000_u32).map(|n| n as u8).collect();
        file.write_all(&text).unwrap();
        file.seek(SeekFrom::Start(77)).unwrap();

        let mut pieces = Pieces::new(&file);
        let (mut seen, mut buffer) = (Vec::new(), Vec::new());
        while pieces.append_to(&mut buffer, 333).unwrap() > 0 {
            seen.append(&mut buffer);
        }
        assert_eq!(seen, text);
        assert_eq!(file.stream_position().unwrap(), 77);
    }

    #[test]
    fn what_the_buffer_holds_stays_in_front() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"world").unwrap();
        let mut buffer = b"hello ".to_vec();
        assert_eq!(Pieces::new(&file).append_to(&mut buffer, 64).unwrap(), 5);
        assert_eq!(buffer, b"hello world");
    }
}
