//! A message file read from its beginning in bounded pieces.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// No delivery holds more of a message than this at a time.
pub const BLOCK_BYTES: usize = 64 * 1024;

/// Small messages get a buffer of their size, but not less than this.
const SMALLEST_BLOCK_BYTES: usize = 4 * 1024;

/// So much of a message is read once, for all who look at it: most messages are no longer.
pub const OPENING_BYTES: usize = 16 * 1024;

/// A message of which the beginning has been read.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// All of it.
    pub file: &'a File,
    opening: &'a [u8],
    is_whole: bool,
}

impl<'a> Message<'a> {
    /// Reads the opening into `room`, as far as it goes.
    pub fn open(file: &'a File, room: &'a mut [u8]) -> io::Result<Self> {
        let mut pieces = Pieces::new(file);
        let (mut length, mut is_whole) = (0, false);
        while let Some(spare) = room.get_mut(length..).filter(|spare| !spare.is_empty() && !is_whole) {
            let read = pieces.read(spare)?;
            length = length.saturating_add(read);
            is_whole = read == 0;
        }
        Ok(Self { file, opening: room.get(..length).unwrap_or_default(), is_whole })
    }

    /// How it begins.
    pub fn opening(&self) -> &'a [u8] {
        self.opening
    }

    /// What follows the opening; `None` where that is known to be nothing.
    pub fn rest(&self) -> Option<Pieces<'a>> {
        let offset = self.opening.len() as u64;
        (!self.is_whole).then_some(Pieces { file: self.file, offset })
    }
}

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
    fn opening_and_rest_are_the_message() {
        let text: Vec<u8> = (0..1000_u32).map(|n| n as u8).collect();
        for length in [0, 1, 99, 100, 101, 1000] {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&text[..length]).unwrap();
            let mut room = [0; 100];
            let message = Message::open(&file, &mut room).unwrap();
            let mut seen = message.opening().to_vec();
            assert_eq!(message.rest().is_none(), length < 100);
            if let Some(mut pieces) = message.rest() {
                while pieces.append_to(&mut seen, 64 * 1024).unwrap() > 0 {}
            }
            assert_eq!(seen, &text[..length]);
        }
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
