//! Does this message go round in circles?
//!
//! It does when its header already has the line that this delivery is going to add, or when it
//! has been delivered so often that it must be going round under ever new names.

/// So many `Delivered-To` lines are a loop, whatever they say. (The original had no such limit.)
pub const DELIVERIES_MAX: usize = 100;

const FIELD: &[u8] = b"delivered-to:";

/// Reads a header in pieces of any size; holds a few counters and nothing of the text.
#[derive(Debug)]
pub struct LoopCheck<'a> {
    own: &'a [u8],
    /// Bytes of the current line so far.
    column: usize,
    /// Whether they all agree with `own`.
    is_own: bool,
    /// Whether they all agree with [`FIELD`].
    is_delivered_to: bool,
    deliveries: usize,
}

/// What a header turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// It has our own line.
    OwnLine,
    /// It has [`DELIVERIES_MAX`] lines of this kind.
    TooManyDeliveries,
    /// The header is over, or there is nothing to find any more.
    Harmless,
}

impl<'a> LoopCheck<'a> {
    /// `own` is the complete `Delivered-To` line of this delivery, with its newline.
    pub fn new(own: &'a [u8]) -> Self {
        Self { own, column: 0, is_own: true, is_delivered_to: true, deliveries: 0 }
    }

    /// Reads the next piece. `None`: go on. A last line without a newline is not looked at.
    pub fn push(&mut self, piece: &[u8]) -> Option<Finding> {
        piece.iter().find_map(|&byte| self.next(byte))
    }

    fn next(&mut self, byte: u8) -> Option<Finding> {
        self.is_own &= self.own.get(self.column) == Some(&byte);
        self.is_delivered_to &=
            FIELD.get(self.column).is_none_or(|expected| *expected == byte.to_ascii_lowercase());
        self.column = self.column.saturating_add(1);
        if byte != b'\n' {
            return None;
        }
        if self.column == 1 {
            return Some(Finding::Harmless);
        }
        if self.is_own && self.column == self.own.len() {
            return Some(Finding::OwnLine);
        }
        self.deliveries = self.deliveries.saturating_add(usize::from(self.is_delivered_to));
        *self = Self { deliveries: self.deliveries, ..Self::new(self.own) };
        (self.deliveries >= DELIVERIES_MAX).then_some(Finding::TooManyDeliveries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OWN: &[u8] = b"Delivered-To: joe@host\n";

    fn finding(message: &[u8]) -> Option<Finding> {
        LoopCheck::new(OWN).push(message)
    }

    #[test]
    fn only_the_very_same_line_of_the_header_counts() {
        for (message, expected) in [
            (&b"Delivered-To: joe@host\n\nb"[..], Some(Finding::OwnLine)),
            (b"A: b\nDelivered-To: joe@host\n", Some(Finding::OwnLine)),
            (b"Delivered-To: joe@host", None),
            (b"Delivered-To: JOE@host\n\n", Some(Finding::Harmless)),
            (b"delivered-to: joe@host\n\n", Some(Finding::Harmless)),
            (b"Delivered-To: joe@host \n\n", Some(Finding::Harmless)),
            (b"Delivered-To: joe@host2\n\n", Some(Finding::Harmless)),
            (b"Delivered-To: joe@hos\n\n", Some(Finding::Harmless)),
            (b" Delivered-To: joe@host\n\n", Some(Finding::Harmless)),
            (b"\nDelivered-To: joe@host\n", Some(Finding::Harmless)),
            (b"\r\nDelivered-To: joe@host\n", Some(Finding::OwnLine)),
            (b"", None),
        ] {
            assert_eq!(finding(message), expected, "{}", message.escape_ascii());
        }
    }

    #[test]
    fn a_hundred_deliveries_are_a_loop() {
        assert_eq!(finding(&b"Delivered-To: a@b\n".repeat(99)), None);
        assert_eq!(finding(&b"delivered-to: a@b\n".repeat(100)), Some(Finding::TooManyDeliveries));
        assert_eq!(finding(&b"Delivered: a@b\n".repeat(200)), None);
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(message in "(Delivered-To: joe@host|x|\n){0,8}", cut in 0_usize..60) {
            let message = message.as_bytes();
            let (head, tail) = message.split_at(cut.min(message.len()));
            let mut check = LoopCheck::new(OWN);
            prop_assert_eq!(check.push(head).or_else(|| check.push(tail)), finding(message));
        }

        #[test]
        fn any_bytes_are_fine(message: Vec<u8>) {
            finding(&message);
        }
    }
}
