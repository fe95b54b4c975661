//! A message that began with a CR has CR LF at its line ends (QMTP): they become LF. A CR before anything else is
//! kept, and so is a lone LF, as the original keeps them.

/// Turns line ends as they arrive.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LineEnds {
    held: bool,
}

impl LineEnds {
    /// Appends the stored form of the next bytes.
    pub fn push(&mut self, bytes: &[u8], stored: &mut Vec<u8>) {
        for piece in bytes.split_inclusive(|&byte| byte == b'\r') {
            if self.held && piece.first() != Some(&b'\n') {
                stored.push(b'\r');
            }
            self.held = piece.last() == Some(&b'\r');
            let whole = if self.held { piece.split_last().map_or(&[][..], |(_, rest)| rest) } else { piece };
            stored.extend_from_slice(whole);
        }
    }

    /// The message is complete.
    pub fn finish(self, stored: &mut Vec<u8>) {
        if self.held {
            stored.push(b'\r');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn convert(pieces: &[&[u8]]) -> Vec<u8> {
        let (mut lines, mut stored) = (LineEnds::default(), Vec::new());
        for piece in pieces {
            lines.push(piece, &mut stored);
        }
        lines.finish(&mut stored);
        stored
    }

    #[test]
    fn line_ends_are_turned_and_nothing_else() {
        let table: &[(&[u8], &[u8])] = &[
            (b"a\r\nb\r\n", b"a\nb\n"),
            (b"a\nb\r\n", b"a\nb\n"),
            (b"abc\r", b"abc\r"),
            (b"\r\r\n\rx\r\r", b"\r\n\rx\r\r"),
            (b"", b""),
        ];
        for (wire, stored) in table {
            assert_eq!(convert(&[wire]), *stored, "{}", wire.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_bytes_arrive(text in "[ab\r\n]{0,40}", cut in 0usize..40) {
            let bytes = text.as_bytes();
            let (one, two) = bytes.split_at(cut.min(bytes.len()));
            prop_assert_eq!(convert(&[one, two]), convert(&[bytes]));
            prop_assert_eq!(convert(&[bytes]), text.replace("\r\n", "\n").into_bytes());
        }
    }
}
