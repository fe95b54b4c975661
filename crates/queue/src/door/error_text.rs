//! What a program in qmail-queue's place says on its error pipe.

use contracts::queue_exit::CUSTOM_TEXT_MAX_BYTES;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::{
    io::{self, PipeReader, Read},
    os::fd::{AsFd, BorrowedFd},
};

/// The pipe, and the start of what has come out of it. The rest is read and forgotten: a program that says more than the
/// pipe holds would wait for us, who wait for it.
#[derive(Debug)]
pub(super) struct ErrorText {
    pipe: Option<PipeReader>,
    text: Vec<u8>,
}

impl ErrorText {
    pub(super) fn of(pipe: PipeReader) -> io::Result<Self> {
        os::packet::set_nonblocking(&pipe, true)?;
        Ok(Self { pipe: Some(pipe), text: Vec::new() })
    }

    /// Listens until something happens to `other`: it can be written to, read from, or has an end.
    pub(super) fn hear_until(&mut self, other: BorrowedFd<'_>, what: PollFlags) -> io::Result<()> {
        loop {
            let pipe = self.pipe.as_ref().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN));
            let mut fds: Vec<PollFd<'_>> = [PollFd::new(other, what)].into_iter().chain(pipe).collect();
            match poll(&mut fds, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
            let happened: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(true)).collect();
            if happened.get(1) == Some(&true) {
                self.hear();
            }
            if happened.first() == Some(&true) {
                return Ok(());
            }
        }
    }

    /// Takes some of what is there now; false if nothing is. A grandchild may hold the other end, so the end of it is not
    /// awaited.
    fn hear(&mut self) -> bool {
        let Some(pipe) = &mut self.pipe else { return false };
        let mut piece = [0; 4096];
        match pipe.read(&mut piece) {
            Ok(count @ 1..) => {
                let room = CUSTOM_TEXT_MAX_BYTES.saturating_sub(self.text.len());
                self.text.extend_from_slice(piece.get(..count.min(room)).unwrap_or_default());
                true
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => true,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
            Ok(0) | Err(_) => {
                self.pipe = None;
                false
            }
        }
    }

    /// All of it that counts, once the program has ended.
    pub(super) fn whole(&mut self) -> &[u8] {
        while self.text.len() < CUSTOM_TEXT_MAX_BYTES && self.hear() {}
        &self.text
    }
}
