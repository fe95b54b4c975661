//! mboxrd quoting: a line of any number of `>` and then `From ` gets one more `>`.
//!
//! A machine of constant size. It never holds a line: `>`s can go out as they come, because one
//! more of them may as well be added after the others; only a beginning of `From ` is held back.

const FROM: &[u8] = b"From ";

/// Quotes a message that comes in pieces.
#[derive(Debug)]
pub struct Quoting {
    place: Place,
    /// Whether the last byte was a newline, or there was none at all.
    at_line_start: bool,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    /// At the start of a line, or after `>`s at its start; this many bytes of `From ` are held.
    Start { held: usize },
    /// In a line that needs no mark, or has it already.
    Inside,
}

impl Default for Quoting {
    fn default() -> Self {
        Self { place: Place::Start { held: 0 }, at_line_start: true }
    }
}

impl Quoting {
    /// Adds the next piece, quoted, to `out`.
    ///
    /// `out` grows by at most twice the length of the piece, and 4 bytes.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        let mut rest = piece;
        while !rest.is_empty() {
            rest = match self.place {
                Place::Start { held } => self.start(held, rest, out),
                Place::Inside => self.inside(rest, out),
            };
        }
        if let Some(&last) = piece.last() {
            self.at_line_start = last == b'\n';
        }
    }

    /// Ends the message: its last line is completed, and an empty line separates it from the next.
    pub fn finish(self, out: &mut Vec<u8>) {
        if let Place::Start { held } = self.place {
            out.extend_from_slice(FROM.get(..held).unwrap_or_default());
        }
        if !self.at_line_start {
            out.push(b'\n');
        }
        out.push(b'\n');
    }

    fn inside<'a>(&mut self, rest: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
        let end = match memchr::memchr(b'\n', rest) {
            Some(newline) => {
                self.place = Place::Start { held: 0 };
                newline + 1
            }
            None => rest.len(),
        };
        let (line, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        out.extend_from_slice(line);
        after
    }

    fn start<'a>(&mut self, held: usize, rest: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
        let Some((&byte, after)) = rest.split_first() else { return rest };
        if FROM.get(held) == Some(&byte) {
            if held + 1 == FROM.len() {
                out.push(b'>');
                out.extend_from_slice(FROM);
                self.place = Place::Inside;
            } else {
                self.place = Place::Start { held: held + 1 };
            }
            return after;
        }
        if held == 0 && byte == b'>' {
            out.push(byte);
            return after;
        }
        out.extend_from_slice(FROM.get(..held).unwrap_or_default());
        self.place = Place::Inside;
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn quoted(pieces: &[&[u8]]) -> Vec<u8> {
        let (mut quoting, mut out) = (Quoting::default(), Vec::new());
        for piece in pieces {
            quoting.push(piece, &mut out);
        }
        quoting.finish(&mut out);
        out
    }

    /// What the manual page says, line by line.
    fn by_lines(message: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for line in message.split_inclusive(|&b| b == b'\n') {
            let marks = line.iter().take_while(|&&b| b == b'>').count();
            if line[marks..].starts_with(b"From ") {
                out.push(b'>');
            }
            out.extend_from_slice(line);
            if !line.ends_with(b"\n") {
                out.push(b'\n');
            }
        }
        out.push(b'\n');
        out
    }

    #[test]
    fn from_lines_get_one_more_mark() {
        for (message, expected) in [
            (&b""[..], &b"\n"[..]),
            (b"\n", b"\n\n"),
            (b"a", b"a\n\n"),
            (b"From a\n", b">From a\n\n"),
            (b">From a\n>>From b\n", b">>From a\n>>>From b\n\n"),
            (b"From\nFromx\n From \nfrom \n", b"From\nFromx\n From \nfrom \n\n"),
            (b"a\nFrom ", b"a\n>From \n\n"),
            (b"a\nFrom", b"a\nFrom\n\n"),
            (b"a\n>>", b"a\n>>\n\n"),
            (b"FroFrom x\nFFrom x\n", b"FroFrom x\nFFrom x\n\n"),
            (b"a From b\n\n", b"a From b\n\n\n"),
        ] {
            assert_eq!(quoted(&[message]), expected, "{}", message.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            message in "[>From\n a]{0,60}",
            cut in 0_usize..60,
        ) {
            let message = message.as_bytes();
            let (head, tail) = message.split_at(cut.min(message.len()));
            prop_assert_eq!(quoted(&[head, tail]), by_lines(message));
            let bytes: Vec<&[u8]> = message.chunks(1).collect();
            prop_assert_eq!(quoted(&bytes), by_lines(message));
        }

        #[test]
        fn any_bytes_are_fine(message in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(quoted(&[&message]), by_lines(&message));
        }
    }
}
