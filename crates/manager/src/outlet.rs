//! The writing end of a pipe to a peer that may be slow: what does not fit waits here, never the loop.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};

/// Bytes on their way out.
#[derive(Debug)]
pub(crate) struct Outlet {
    fd: OwnedFd,
    waiting: Vec<u8>,
    written: usize,
}

impl Outlet {
    /// Takes over a pipe that is ours alone and makes it non-blocking.
    pub(crate) fn new(fd: OwnedFd) -> io::Result<Self> {
        let flags = OFlag::from_bits_truncate(fcntl(&fd, FcntlArg::F_GETFL)?);
        fcntl(&fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        Ok(Self { fd, waiting: Vec::new(), written: 0 })
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Writes what the pipe takes. An error means that the reader is gone.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while let Some(rest) = self.waiting.get(self.written..).filter(|rest| !rest.is_empty()) {
            match nix::unistd::write(&self.fd, rest) {
                Ok(count) => self.written = self.written.saturating_add(count),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        self.waiting.clear();
        self.written = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn what_does_not_fit_waits() {
        let (mut reader, writer) = io::pipe().unwrap();
        let mut outlet = Outlet::new(writer.into()).unwrap();
        let bytes = vec![b'x'; 300_000];
        outlet.push(&bytes);
        outlet.flush().unwrap();
        assert!(!outlet.is_empty());
        let (mut got, mut buffer) = (0, vec![0; 65_536]);
        while got < bytes.len() {
            got += reader.read(&mut buffer).unwrap();
            outlet.flush().unwrap();
        }
        assert!(outlet.is_empty());
        drop(reader);
        outlet.push(b"x");
        assert!(outlet.flush().is_err());
    }
}
