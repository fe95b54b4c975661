//! Reports on their way out: kept until the pipe takes them.

use std::io::{self, Write};

/// Beyond this many bytes of unsent reports no more commands are read: whoever does not listen need not ask.
pub const PENDING_MAX_BYTES: usize = 1 << 20;

/// One write of a pipe that polled writable never waits when it is no longer than this (PIPE_BUF).
const PIECE_BYTES: usize = 4096;

/// Bytes that wait to be written.
#[derive(Debug, Default)]
pub struct Output {
    pending: Vec<u8>,
    sent: usize,
    broken: bool,
}

impl Output {
    /// Adds bytes at the end.
    pub fn push(&mut self, bytes: &[u8]) {
        if !self.broken {
            self.pending.extend_from_slice(bytes);
        }
    }

    /// True if there is something to write.
    pub fn is_pending(&self) -> bool {
        self.sent < self.pending.len()
    }

    /// True if the reader is so far behind that nothing more should be asked for.
    pub fn is_full(&self) -> bool {
        self.pending.len().saturating_sub(self.sent) > PENDING_MAX_BYTES
    }

    /// Writes one piece to `out`, which has polled writable. When nobody reads any more, everything is thrown
    /// away, now and later, as in the original: the deliveries still have to end well.
    pub fn write_to(&mut self, out: &mut impl Write) {
        let piece = self.pending.get(self.sent..).unwrap_or_default();
        let piece = piece.get(..PIECE_BYTES).unwrap_or(piece);
        match out.write(piece) {
            Ok(written) => self.sent = self.sent.saturating_add(written),
            Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {}
            Err(_) => self.broken = true,
        }
        if self.broken || !self.is_pending() {
            self.pending.clear();
            self.sent = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_leaves_in_order_and_in_pieces() {
        let mut output = Output::default();
        let bytes: Vec<u8> = (0..10_000u32).map(|n| n as u8).collect();
        output.push(&bytes);
        let (mut sink, mut writes) = (Vec::new(), 0);
        while output.is_pending() {
            output.write_to(&mut sink);
            writes += 1;
        }
        assert_eq!((sink, writes), (bytes, 3));
    }

    #[test]
    fn a_reader_who_is_gone_is_not_written_to_again() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut output = Output::default();
        output.push(b"x");
        output.write_to(&mut Gone);
        output.push(b"y");
        assert!(!output.is_pending());
    }
}
