//! A message as it goes out after DATA: canonical line ends, stuffed dots (RFC 5321 §4.5.2).
//!
//! LF, CR LF and a lone CR each end a line and leave as CR LF; after every line end that is *emitted*
//! the next byte stands at a line start, and a dot there is doubled. So no bare CR or LF ever
//! leaves, and no bytes of a message can end it early (D1). A last line without an end gets one
//! (D11). Everything else, 8-bit and NUL included, leaves as it is.

use memchr::memchr2;

/// Encodes a message given in pieces of any size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Outgoing {
    place: Place,
}

/// Where in its line the next byte of the message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum Place {
    #[default]
    LineStart,
    /// At a line start that a CR has made: an LF now belongs to that line end.
    AfterCr,
    InLine,
}

impl Outgoing {
    /// At the start of a message.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends what `piece` becomes to `out`.
    pub fn encode(&mut self, mut piece: &[u8], out: &mut Vec<u8>) {
        out.reserve(piece.len().saturating_add(piece.len() / 32).saturating_add(4));
        loop {
            if self.place == Place::AfterCr {
                match piece.split_first() {
                    None => return,
                    Some((b'\n', rest)) => piece = rest,
                    Some(_) => {}
                }
                self.place = Place::LineStart;
            }
            let Some(first) = piece.first() else { return };
            if self.place == Place::LineStart && *first == b'.' {
                out.push(b'.');
            }
            let Some(at) = memchr2(b'\r', b'\n', piece) else {
                out.extend_from_slice(piece);
                self.place = Place::InLine;
                return;
            };
            let (line, end) = piece.split_at_checked(at).unwrap_or((piece, &[]));
            out.extend_from_slice(line);
            out.extend_from_slice(b"\r\n");
            let Some((end, rest)) = end.split_first() else { return };
            self.place = if *end == b'\r' { Place::AfterCr } else { Place::LineStart };
            piece = rest;
        }
    }

    /// Ends the message: completes a partial last line, then the lone dot.
    pub fn finish(self, out: &mut Vec<u8>) {
        if self.place == Place::InLine {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b".\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(message: &[u8], piece_bytes: usize) -> Vec<u8> {
        let (mut outgoing, mut out) = (Outgoing::new(), Vec::new());
        for piece in message.chunks(piece_bytes) {
            outgoing.encode(piece, &mut out);
        }
        outgoing.finish(&mut out);
        out
    }

    /// The same, slowly and obviously: lines first, then each line by itself.
    fn model(message: &[u8]) -> Vec<u8> {
        let (mut lines, mut line, mut open) = (Vec::new(), Vec::new(), false);
        let mut bytes = message.iter().copied().peekable();
        while let Some(byte) = bytes.next() {
            open = !matches!(byte, b'\r' | b'\n');
            if open {
                line.push(byte);
                continue;
            }
            if byte == b'\r' && bytes.peek() == Some(&b'\n') {
                bytes.next();
            }
            lines.push(std::mem::take(&mut line));
        }
        if open {
            lines.push(line);
        }
        let mut out = Vec::new();
        for line in lines {
            if line.first() == Some(&b'.') {
                out.push(b'.');
            }
            out.extend_from_slice(&line);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b".\r\n");
        out
    }

    /// What a strict server takes out of `wire`: the message, and what is left for its command reader.
    fn received(wire: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
        let (mut message, mut rest) = (Vec::new(), wire);
        loop {
            let at = rest.windows(2).position(|pair| pair == b"\r\n")?;
            let line = &rest[..at];
            rest = &rest[at + 2..];
            if line == b"." {
                return Some((message, rest.to_vec()));
            }
            message.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
            message.push(b'\n');
        }
    }

    #[test]
    fn messages_leave_in_canonical_form() {
        let table: &[(&[u8], &[u8])] = &[
            (b"", b".\r\n"),
            (b"a\n", b"a\r\n.\r\n"),
            (b"a", b"a\r\n.\r\n"),
            (b"\n", b"\r\n.\r\n"),
            (b".\n..\nx.\n", b"..\r\n...\r\nx.\r\n.\r\n"),
            (b"a\n.", b"a\r\n..\r\n.\r\n"),
            (b"a\r\nb\r\n", b"a\r\nb\r\n.\r\n"),
            (b"a\r.\nb\n", b"a\r\n..\r\nb\r\n.\r\n"),
            (b"a\r.\r\nMAIL\n", b"a\r\n..\r\nMAIL\r\n.\r\n"),
            (b"a\r\r\n", b"a\r\n\r\n.\r\n"),
            (b"a\r", b"a\r\n.\r\n"),
            (b"a\n\r.\r\r.\n", b"a\r\n\r\n..\r\n\r\n..\r\n.\r\n"),
            (b"\0\xff\n", b"\0\xff\r\n.\r\n"),
        ];
        for (message, wire) in table {
            for piece in [1, 2, 3, 1000] {
                assert_eq!(encoded(message, piece), *wire, "{message:?} in pieces of {piece}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn no_message_ends_early_and_every_line_arrives(
            message in proptest::collection::vec(
                prop_oneof![4 => Just(b'\r'), 4 => Just(b'\n'), 4 => Just(b'.'), 2 => Just(b'a'), 1 => any::<u8>()], 0..120),
            piece in 1usize..20,
        ) {
            let wire = encoded(&message, piece);
            prop_assert_eq!(&wire, &model(&message));
            for (at, byte) in wire.iter().enumerate() {
                match byte {
                    b'\n' => prop_assert_eq!(wire.get(at.wrapping_sub(1)), Some(&b'\r')),
                    b'\r' => prop_assert_eq!(wire.get(at + 1), Some(&b'\n')),
                    _ => {}
                }
            }
            let (_, left) = received(&wire).unwrap();
            prop_assert!(left.is_empty(), "the message ends where it ends and nowhere else");
        }
    }
}
