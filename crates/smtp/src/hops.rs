//! Counting hops while a message arrives: header lines that begin with `received` or `delivered`.
//!
//! The count is of lines as they were sent, before dots are taken off, up to the first empty line, in any case
//! and without asking for a colon (contract 6.5).

/// A message that has been through this many hops is looping.
pub const HOPS_MAX: u32 = 100;

/// Bytes at the start of a line that decide.
const PREFIX_BYTES: usize = 9;

/// Counts while bytes flow past.
#[derive(Debug)]
pub struct HopCounter {
    in_header: bool,
    prefix: [u8; PREFIX_BYTES],
    filled: usize,
    hops: u32,
}

impl Default for HopCounter {
    fn default() -> Self {
        Self { in_header: true, prefix: [0; PREFIX_BYTES], filled: 0, hops: 0 }
    }
}

impl HopCounter {
    /// Takes the next bytes of the message as they came over the wire.
    pub fn push(&mut self, wire: &[u8]) {
        if !self.in_header {
            return;
        }
        for piece in wire.split_inclusive(|&byte| byte == b'\n') {
            self.push_piece(piece);
            if piece.ends_with(b"\n") {
                if self.prefix.get(..self.filled) == Some(b"\r\n") {
                    self.in_header = false;
                    return;
                }
                self.filled = 0;
            }
        }
    }

    /// Hops so far.
    pub fn hops(&self) -> u32 {
        self.hops
    }

    fn push_piece(&mut self, piece: &[u8]) {
        let before = self.filled;
        for (slot, byte) in self.prefix.iter_mut().skip(before).zip(piece) {
            *slot = byte.to_ascii_lowercase();
            self.filled = self.filled.saturating_add(1);
        }
        let reached = |length: usize| before < length && self.filled >= length;
        let received = reached(8) && self.prefix.starts_with(b"received");
        let delivered = reached(9) && self.prefix.starts_with(b"delivered");
        if received || delivered {
            self.hops = self.hops.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hops(wire: &[u8]) -> u32 {
        let mut counter = HopCounter::default();
        counter.push(wire);
        counter.hops()
    }

    #[test]
    fn only_header_lines_count_and_only_as_they_were_sent() {
        let table: &[(&[u8], u32)] = &[
            (b"Received: x\r\nDELIVERED-TO: y\r\nreceived\r\n\r\nReceived: z\r\n", 3),
            (b"Receive: x\r\n Received: y\r\n.Received: z\r\n", 0),
            (b"\r\nReceived: x\r\n", 0),
            (b"rEcEiVeD", 1),
            (b"X\r\nDeliveredreceived\r\n", 1),
        ];
        for (wire, expected) in table {
            assert_eq!(hops(wire), *expected, "{}", wire.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn the_count_does_not_depend_on_where_the_bytes_are_cut(
            wire in "(received|Delivered|x|\r\n|\r|:){0,40}",
            cuts in proptest::collection::vec(0usize..100, 0..8),
        ) {
            let mut counter = HopCounter::default();
            let mut rest = wire.as_bytes();
            for cut in cuts {
                let (now, later) = rest.split_at(cut.min(rest.len()));
                counter.push(now);
                rest = later;
            }
            counter.push(rest);
            prop_assert_eq!(counter.hops(), hops(wire.as_bytes()));
        }
    }
}
