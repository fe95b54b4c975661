//! Reading and writing with an end to patience. Descriptors 0 and 1 are a socket under tcpserver and inetd, pipes under
//! stunnel and sslserver; they stay as they were made, since the next program on them is not ours.

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, send};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use crate::command::LINE_MAX_BYTES;

/// How long the other side may be silent, or not listen (contract 1.1: POP idle limit).
pub const PATIENCE: Duration = Duration::from_secs(1200);

/// What a pipe takes without making a writer wait, once it is ready for writing (PIPE_BUF).
const PIPE_PIECE_BYTES: usize = 4096;

/// What is kept back before it is written.
const GATHERED_BYTES: usize = 16 << 10;

/// Pieces of [`LINE_MAX_BYTES`] that are forgotten at the end.
const DRAINED_PIECES_MAX: usize = 64;

/// What came.
#[derive(PartialEq, Eq, Debug)]
pub enum Line {
    /// Without its LF.
    Line(Vec<u8>),
    /// Longer than [`LINE_MAX_BYTES`]; it has been read and forgotten.
    TooLong,
}

/// Both directions.
#[derive(Debug)]
pub struct Wire {
    input: File,
    output: File,
    read: Vec<u8>,
    unread: usize,
    gathered: Vec<u8>,
    patience: Duration,
}

impl Wire {
    /// With [`PATIENCE`].
    pub fn new(input: OwnedFd, output: OwnedFd) -> Self {
        Self {
            input: input.into(),
            output: output.into(),
            read: Vec::new(),
            unread: 0,
            gathered: Vec::new(),
            patience: PATIENCE,
        }
    }

    /// The descriptors, for the next program on them.
    pub fn descriptors(&self) -> (&File, &File) {
        (&self.input, &self.output)
    }

    /// The next line, and not a byte more: what follows belongs to the next program (D58). It is to be there by `end`,
    /// however busy the other side is. `None`: the end.
    pub fn line_alone(&mut self, end: Instant) -> io::Result<Option<Line>> {
        self.next_line(1, Some(end))
    }

    /// The next line; more may be read ahead. What was said is sent before there is any waiting. `None`: the end.
    pub fn line(&mut self) -> io::Result<Option<Line>> {
        self.next_line(LINE_MAX_BYTES, None)
    }

    fn next_line(&mut self, at_once: usize, end: Option<Instant>) -> io::Result<Option<Line>> {
        let mut too_long = false;
        loop {
            let fresh = self.read.get(self.unread..).unwrap_or_default();
            if let Some(end) = memchr::memchr(b'\n', fresh) {
                let line = fresh.get(..end).unwrap_or_default().to_vec();
                self.unread = self.unread.saturating_add(end).saturating_add(1);
                if self.unread == self.read.len() {
                    self.forget();
                }
                let is_line = !too_long && line.len() <= LINE_MAX_BYTES;
                return Ok(Some(if is_line { Line::Line(line) } else { Line::TooLong }));
            }
            if fresh.len() > LINE_MAX_BYTES {
                too_long = true;
                self.forget();
            }
            let patience = match end.map(|end| end.saturating_duration_since(Instant::now())) {
                Some(Duration::ZERO) => return Err(io::ErrorKind::TimedOut.into()),
                left => left.unwrap_or(self.patience),
            };
            if !self.fill(at_once, patience)? {
                return Ok(None);
            }
        }
    }

    /// Forgets what has come and nobody will read: a socket that is closed over it makes the other side forget what we
    /// said last.
    pub fn drain(&mut self) {
        for _ in 0..DRAINED_PIECES_MAX {
            if !self.fill(LINE_MAX_BYTES, Duration::ZERO).unwrap_or(false) {
                return;
            }
            self.forget();
        }
    }

    /// False at the end.
    fn fill(&mut self, at_once: usize, patience: Duration) -> io::Result<bool> {
        self.flush()?;
        self.read.drain(..self.unread);
        self.unread = 0;
        wait(&self.input, PollFlags::POLLIN, patience)?;
        let mut piece = [0; LINE_MAX_BYTES];
        let room = piece.get_mut(..at_once).unwrap_or_default();
        let count = loop {
            match self.input.read(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        self.read.extend_from_slice(piece.get(..count).unwrap_or_default());
        os::memory::wipe(&mut piece);
        Ok(count > 0)
    }

    /// Among the lines may have been a password.
    fn forget(&mut self) {
        os::memory::wipe(&mut self.read);
        self.read.clear();
        self.unread = 0;
    }

    /// Says something, now or before the next waiting.
    pub fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() < GATHERED_BYTES { Ok(()) } else { self.flush() }
    }

    /// Sends what was said.
    pub fn flush(&mut self) -> io::Result<()> {
        let mut left = self.gathered.as_slice();
        while !left.is_empty() {
            wait(&self.output, PollFlags::POLLOUT, self.patience)?;
            let written = match write_some(&self.output, left) {
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) =>
                {
                    0
                }
                result => result?,
            };
            left = left.get(written..).unwrap_or_default();
        }
        self.gathered.clear();
        Ok(())
    }
}

/// A blocking write of more than there is room for would wait beyond all patience.
fn write_some(output: &File, bytes: &[u8]) -> io::Result<usize> {
    match send(output.as_raw_fd(), bytes, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL) {
        Err(Errno::ENOTSOCK) => {
            let piece = bytes.get(..PIPE_PIECE_BYTES.min(bytes.len())).unwrap_or_default();
            (&*output).write(piece)
        }
        result => Ok(result?),
    }
}

fn wait(file: &File, what: PollFlags, patience: Duration) -> io::Result<()> {
    let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
    loop {
        match poll(&mut [PollFd::new(file.as_fd(), what)], timeout) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    fn pair() -> (Wire, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Wire::new(ours.try_clone().unwrap().into(), ours.into()), theirs)
    }

    fn later() -> Instant {
        Instant::now() + PATIENCE
    }

    fn line(text: &str) -> Option<Line> {
        Some(Line::Line(text.into()))
    }

    #[test]
    fn a_line_alone_leaves_the_rest_to_others() {
        let (mut wire, mut peer) = pair();
        peer.write_all(b"PASS x\r\nSTAT\r\nQUIT\r\n").unwrap();
        assert_eq!(wire.line_alone(later()).unwrap(), line("PASS x\r"));
        let mut rest = [0; 12];
        wire.descriptors().0.read_exact(&mut rest).unwrap();
        assert_eq!(&rest, b"STAT\r\nQUIT\r\n");
    }

    #[test]
    fn lines_are_given_one_by_one_and_the_end_after_them() {
        let (mut wire, mut peer) = pair();
        peer.write_all(b"a\n\nb\r\nrest").unwrap();
        drop(peer);
        for text in ["a", "", "b\r"] {
            assert_eq!(wire.line().unwrap(), line(text));
        }
        assert_eq!(wire.line().unwrap(), None);
    }

    #[test]
    fn a_line_without_end_is_read_and_forgotten() {
        for alone in [false, true] {
            let (mut wire, mut peer) = pair();
            let writer = std::thread::spawn(move || {
                peer.write_all(&[b'x'; 3 * LINE_MAX_BYTES]).unwrap();
                peer.write_all(b"\nNOOP\n").unwrap();
            });
            let mut next = || if alone { wire.line_alone(later()) } else { wire.line() };
            assert_eq!(next().unwrap(), Some(Line::TooLong));
            assert_eq!(next().unwrap(), line("NOOP"));
            writer.join().unwrap();
        }
    }

    #[test]
    fn who_talks_on_and_on_has_no_more_time_than_others() {
        for flood in [&[b'x'; LINE_MAX_BYTES][..], b"x"] {
            let (mut wire, mut peer) = pair();
            let talking = std::thread::spawn(move || while peer.write_all(flood).is_ok() {});
            let told = wire.line_alone(Instant::now() + Duration::from_millis(5));
            assert_eq!(told.unwrap_err().kind(), io::ErrorKind::TimedOut);
            drop(wire);
            talking.join().unwrap();
        }
    }

    #[test]
    fn patience_ends_in_both_directions() {
        let (mut wire, _peer) = pair();
        wire.patience = Duration::from_millis(5);
        assert_eq!(wire.line().unwrap_err().kind(), io::ErrorKind::TimedOut);
        let filled = (0..10_000).find_map(|_| wire.say(&[b'x'; 4096]).err());
        assert_eq!(filled.unwrap().kind(), io::ErrorKind::TimedOut);
        let (reader, writer) = std::io::pipe().unwrap();
        let mut wire = Wire::new(reader.try_clone().unwrap().into(), writer.into());
        wire.patience = Duration::from_millis(5);
        let filled = (0..100).find_map(|_| wire.say(&[b'x'; 4096]).err());
        assert_eq!(filled.unwrap().kind(), io::ErrorKind::TimedOut);
    }
}
