//! The FIFO `lock/trigger`, by which writers say that there is something in `todo` (contract 5.5).

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use contracts::trigger::{TriggerDecoder, Wake};
use nix::fcntl::OFlag;

/// As much as a pipe holds: a read that fills it may follow writes that found no room.
const READ_BYTES: usize = 65_536;

/// The trigger, open for reading.
#[derive(Debug)]
pub(crate) struct Trigger {
    reader: File,
    /// Held so that the FIFO never reports that its writers have gone.
    _writer: File,
    decoder: TriggerDecoder,
    buffer: Vec<u8>,
}

impl Trigger {
    /// Opens the FIFO. Without one, new mail is found by scans only, as in the original. A plain file would always
    /// be readable and never say anything.
    pub(crate) fn open(queue: &Path) -> io::Result<Self> {
        let path = queue.join("lock/trigger");
        let nonblocking = OFlag::O_NONBLOCK.bits();
        let reader = OpenOptions::new().read(true).custom_flags(nonblocking).open(&path)?;
        if !reader.metadata()?.file_type().is_fifo() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let writer = OpenOptions::new().write(true).custom_flags(nonblocking).open(&path)?;
        Ok(Self { reader, _writer: writer, decoder: TriggerDecoder::default(), buffer: vec![0; READ_BYTES] })
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }

    /// Reads what was written and tells what it asks for.
    pub(crate) fn read(&mut self, mut wake: impl FnMut(Wake)) {
        let Ok(count) = self.reader.read(&mut self.buffer) else { return };
        self.decoder.push(self.buffer.get(..count).unwrap_or_default(), &mut wake);
        if count == READ_BYTES {
            wake(Wake::Scan);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_fifo_is_a_trigger() {
        let queue = tempfile::tempdir().unwrap();
        std::fs::create_dir(queue.path().join("lock")).unwrap();
        let path = queue.path().join("lock/trigger");
        assert!(Trigger::open(queue.path()).is_err(), "none");
        std::fs::write(&path, "").unwrap();
        assert!(Trigger::open(queue.path()).is_err(), "a file");
        std::fs::remove_file(&path).unwrap();
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        Trigger::open(queue.path()).unwrap();
    }
}
