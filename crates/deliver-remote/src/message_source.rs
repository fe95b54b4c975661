//! The message file, as often as it is needed: a second address gets the same bytes.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::unix::fs::FileExt;

use nix::sys::memfd::{MFdFlags, memfd_create};

/// Messages up to this size are read once and kept while they are delivered.
const KEPT_BYTES: u64 = 256 * 1024;

/// Longer ones are read in pieces of this size.
pub const PIECE_BYTES: usize = 128 * 1024;

/// A message that can be read from its start again and again.
#[derive(Debug)]
pub struct MessageSource {
    file: File,
    start: u64,
    /// Bytes as stored.
    pub length: u64,
    kept: Option<Vec<u8>>,
    /// Bytes on the wire, as nearly as they are known without reading a long message (RFC 1870 §6 allows an
    /// estimate).
    pub size_bytes: Option<u64>,
    /// It has bytes above 127, or is too long to have been looked at.
    pub eight_bit: bool,
}

impl MessageSource {
    /// Takes `file` from its present position to its end. What cannot be read twice (a pipe, as wrappers use it) is
    /// copied first.
    pub fn open(file: File) -> io::Result<Self> {
        let found = file.metadata()?;
        let (mut file, end) = if found.is_file() { (file, found.len()) } else { copied(file)? };
        let start = file.stream_position()?;
        let length = end.saturating_sub(start);
        if length > KEPT_BYTES {
            return Ok(Self { file, start, length, kept: None, size_bytes: Some(length), eight_bit: true });
        }
        // At offsets of our own: the position may be shared with whoever gave us the file.
        let mut source = Self { file, start, length, kept: None, size_bytes: None, eight_bit: false };
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        let mut have = 0;
        while let Some(rest) = bytes.get_mut(have..).filter(|rest| !rest.is_empty()) {
            match source.read_at(rest, u64::try_from(have).unwrap_or(0))? {
                0 => break, // It has become shorter.
                count => have = have.saturating_add(count),
            }
        }
        bytes.truncate(have);
        source.length = u64::try_from(have).unwrap_or(length);
        let line_ends = memchr::memchr_iter(b'\n', &bytes).count();
        source.size_bytes = u64::try_from(bytes.len().saturating_add(line_ends)).ok();
        source.eight_bit = !bytes.is_ascii();
        source.kept = Some(bytes);
        Ok(source)
    }

    /// The whole message where it is short.
    pub fn kept(&self) -> Option<&[u8]> {
        self.kept.as_deref()
    }

    /// Reads at `offset` from the start; 0 bytes at the end.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match self.file.read_at(buffer, self.start.saturating_add(offset)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }
}

/// What is left in a pipe, in a file of no name in memory, and how much it is.
fn copied(mut pipe: File) -> io::Result<(File, u64)> {
    let mut file = File::from(memfd_create("message", MFdFlags::MFD_CLOEXEC)?);
    let length = io::copy(&mut pipe, &mut file)?;
    file.flush()?;
    file.rewind()?;
    Ok((file, length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::SeekFrom;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        file
    }

    #[test]
    fn a_message_is_what_lies_between_the_position_and_the_end() {
        let mut opened = file(b"skipped\nHello\n");
        opened.seek(SeekFrom::Start(8)).unwrap();
        let source = MessageSource::open(opened).unwrap();
        assert_eq!(source.kept(), Some(&b"Hello\n"[..]));
        assert_eq!(source.size_bytes, Some(7));
        assert!(!source.eight_bit);
    }

    #[test]
    fn a_long_message_is_read_in_pieces() {
        let bytes = b"0123456789\n".repeat(50_000);
        let source = MessageSource::open(file(&bytes)).unwrap();
        assert_eq!(source.kept(), None);
        let mut piece = [0; 11];
        assert_eq!(source.read_at(&mut piece, 22).unwrap(), 11);
        assert_eq!(&piece, b"0123456789\n");
        assert_eq!(source.read_at(&mut piece, bytes.len() as u64).unwrap(), 0);
    }

    #[test]
    fn a_pipe_is_a_message_too() {
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(b"caf\xe9\n").unwrap();
        drop(writer);
        let source = MessageSource::open(File::from(std::os::fd::OwnedFd::from(reader))).unwrap();
        assert_eq!(source.kept(), Some(&b"caf\xe9\n"[..]));
        assert!(source.eight_bit);
    }
}
