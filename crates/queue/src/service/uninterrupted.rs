//! Reads that go on after an interruption.
//!
//! A `recv` with a time limit ends with EINTR when its process is stopped and goes on, or is looked at by a tracer, even
//! without a signal handler (signal(7)). `BufRead::fill_buf` hands that on, and a connection would end for nothing.

use std::io::{self, Read};

/// Reads from `R`, again as often as it is interrupted.
#[derive(Debug)]
pub(super) struct Uninterrupted<R>(pub R);

impl<R: Read> Read for Uninterrupted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(into) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};

    /// Is interrupted before each read.
    struct Stopped<'b>(&'b [u8], bool);

    impl Read for Stopped<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 { Err(io::ErrorKind::Interrupted.into()) } else { self.0.read(into) }
        }
    }

    #[test]
    fn a_process_that_was_stopped_reads_on() {
        let mut from = BufReader::new(Uninterrupted(Stopped(b"mail", false)));
        assert_eq!(from.fill_buf().unwrap(), b"mail");
    }
}
