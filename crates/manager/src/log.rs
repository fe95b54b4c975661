//! The log on descriptor 0: whole lines, gathered over a turn of the loop and written together (D32).
//!
//! The descriptor may be somebody's terminal or file, shared with others, so it is not made non-blocking. A pipe is
//! written only when it has room for a page, a page at a time. When the logger stands still, lines wait here; beyond
//! a limit we wait for it, since mail without a log is not what the administrator asked for.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::SFlag;
use telemetry::Line;

/// A write of so many bytes to a pipe that polls as writable does not block (PIPE_BUF).
const CHUNK_BYTES: usize = 4096;
/// More than this is not kept for a logger that stands still.
const WAITING_MAX_BYTES: usize = 4 << 20;

/// The log.
#[derive(Debug)]
pub(crate) struct Log {
    fd: OwnedFd,
    /// A plain file always has room.
    is_file: bool,
    waiting: Vec<u8>,
}

impl Log {
    pub(crate) fn new(fd: OwnedFd) -> Self {
        let is_file = nix::sys::stat::fstat(&fd)
            .is_ok_and(|stat| SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG);
        Self { fd, is_file, waiting: Vec::new() }
    }

    pub(crate) fn line(&mut self, line: Line<'_>) {
        line.append_to(&mut self.waiting);
    }

    /// Lines that were built elsewhere.
    pub(crate) fn lines(&mut self, lines: &[u8]) {
        self.waiting.extend_from_slice(lines);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Writes what can be written without waiting.
    pub(crate) fn flush(&mut self) {
        self.write(self.waiting.len() > WAITING_MAX_BYTES);
    }

    /// Writes everything, however long it takes.
    pub(crate) fn flush_all(&mut self) {
        self.write(true);
    }

    fn write(&mut self, wait: bool) {
        let mut written = 0usize;
        while let Some(rest) = self.waiting.get(written..).filter(|rest| !rest.is_empty()) {
            if !wait && !self.has_room() {
                break;
            }
            match nix::unistd::write(&self.fd, chunk(rest)) {
                Ok(count) => written = written.saturating_add(count),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) if wait => {
                    let mut fds = [PollFd::new(self.fd.as_fd(), PollFlags::POLLOUT)];
                    let _ = poll(&mut fds, PollTimeout::NONE);
                }
                Err(Errno::EAGAIN) => break,
                // Nobody reads the log any more; mail goes on, as it does in the original.
                Err(_) => written = self.waiting.len(),
            }
        }
        self.waiting.drain(..written.min(self.waiting.len()));
    }

    fn has_room(&self) -> bool {
        let mut fds = [PollFd::new(self.fd.as_fd(), PollFlags::POLLOUT)];
        self.is_file || poll(&mut fds, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
    }
}

/// As many whole lines as fit into a chunk; at least one, and of a longer one its beginning.
fn chunk(bytes: &[u8]) -> &[u8] {
    let most = bytes.get(..CHUNK_BYTES).unwrap_or(bytes);
    if most.len() == bytes.len() {
        return most;
    }
    let end = most.iter().rposition(|&byte| byte == b'\n').map_or(most.len(), |at| at.saturating_add(1));
    most.get(..end).unwrap_or(most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{self, Read};

    #[test]
    fn a_logger_that_stands_still_does_not_stop_us() {
        let (mut reader, writer) = io::pipe().unwrap();
        let mut log = Log::new(writer.into());
        for id in 0..20_000 {
            log.line(Line::NewMessage(id));
        }
        log.flush();
        assert!(!log.is_empty());
        let drain = std::thread::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            text
        });
        log.flush_all();
        drop(log);
        let text = drain.join().unwrap();
        assert_eq!(text.lines().count(), 20_000);
        assert!(text.lines().enumerate().all(|(id, line)| line == format!("new msg {id}")));
    }

    #[test]
    fn chunks_end_at_lines() {
        assert_eq!(chunk(b"ab\ncd"), b"ab\ncd");
        let long = [vec![b'x'; 3000], b"\n".to_vec(), vec![b'y'; 3000]].concat();
        assert_eq!(chunk(&long).len(), 3001);
        assert_eq!(chunk(&vec![b'x'; 9000]).len(), CHUNK_BYTES);
    }
}
