//! Message data as it arrives after DATA: line ends, dots, and where it ends (RFC 5321 §4.5.2, §2.3.8).
//!
//! A line ends with CR LF and nothing else. Text that hides `LF . CR LF` or the like could smuggle a second
//! message past us or past the next hop, which may repair differently; so nothing is repaired. A bare CR or a
//! bare LF makes the whole message [`broken`](DataDecoder::is_broken): no byte of it is meant to be used any
//! more, and reading goes on to
//!
//! - the real end, `CR LF . CR LF`: the message is refused and the session goes on in step, or
//! - a lone dot between line ends of which one is a bare LF, which a sloppy client means as the end and a
//!   smuggler as a trap: [`DataStatus::DoubtfulEnd`]. The message is refused and the connection must be closed,
//!   so that what follows is neither message nor command.

/// What the decoder has seen by the end of the bytes it was given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DataStatus {
    /// The message goes on.
    More,
    /// `CR LF . CR LF`; bytes after it are commands.
    End,
    /// Somebody may take this for the end. Only a broken message gets here.
    DoubtfulEnd,
}

/// The place between two bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    /// At the start of a line; `bare`: the line before ended with a bare LF.
    LineStart { bare: bool },
    /// After a dot at the start of a line.
    Dot { bare: bool },
    /// After dot CR at the start of a line.
    DotCr { bare: bool },
    /// Inside a line.
    Inside,
    /// After a CR.
    Cr,
}

/// Turns wire form into the form messages have on disk: lines ended by LF, no dots added.
#[derive(Debug)]
pub struct DataDecoder {
    place: Place,
    broken: bool,
}

impl Default for DataDecoder {
    fn default() -> Self {
        Self { place: Place::LineStart { bare: false }, broken: false }
    }
}

impl DataDecoder {
    /// True once a bare CR or LF was seen.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Decodes from the front of `input` and appends to `out`: how many bytes were used, and why it stopped.
    /// All of `input` is used unless the end is found.
    pub fn decode(&mut self, input: &[u8], out: &mut Vec<u8>) -> (usize, DataStatus) {
        let mut rest = input;
        let used = |rest: &[u8]| input.len().saturating_sub(rest.len());
        loop {
            if self.place == Place::Inside {
                rest = self.inside(rest, out);
            }
            let Some((&byte, after)) = rest.split_first() else {
                return (used(rest), DataStatus::More);
            };
            rest = after;
            self.place = match (self.place, byte) {
                (Place::LineStart { bare }, b'.') => Place::Dot { bare },
                (Place::LineStart { .. } | Place::Inside, b'\r') => Place::Cr,
                (Place::LineStart { .. } | Place::Inside, b'\n') => {
                    self.broken = true;
                    Place::LineStart { bare: true }
                }
                (Place::Dot { bare }, b'\r') => Place::DotCr { bare },
                (Place::Dot { .. }, b'\n') => {
                    self.broken = true;
                    self.place = Place::LineStart { bare: true };
                    return (used(rest), DataStatus::DoubtfulEnd);
                }
                (Place::DotCr { bare }, b'\n') => {
                    self.place = Place::LineStart { bare };
                    let status = if bare { DataStatus::DoubtfulEnd } else { DataStatus::End };
                    return (used(rest), status);
                }
                (Place::Cr, b'\n') => {
                    out.push(b'\n');
                    Place::LineStart { bare: false }
                }
                (Place::DotCr { .. } | Place::Cr, b'\r') => {
                    self.broken = true;
                    Place::Cr
                }
                (Place::DotCr { .. } | Place::Cr, _) => {
                    self.broken = true;
                    Place::Inside
                }
                (Place::LineStart { .. } | Place::Dot { .. } | Place::Inside, other) => {
                    out.push(other);
                    Place::Inside
                }
            };
        }
    }

    /// Copies whole stretches of ordinary text, and line ends between lines that need no thought.
    fn inside<'a>(&mut self, input: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
        let mut rest = input;
        loop {
            let Some(end) = memchr::memchr2(b'\r', b'\n', rest) else {
                out.extend_from_slice(rest);
                return &[];
            };
            let (text, after) = rest.split_at(end);
            out.extend_from_slice(text);
            match after {
                [b'\r', b'\n', b'.' | b'\r' | b'\n', ..] | [b'\r', b'\n'] => {
                    out.push(b'\n');
                    self.place = Place::LineStart { bare: false };
                    return after.get(2..).unwrap_or_default();
                }
                [b'\r', b'\n', next @ ..] => {
                    out.push(b'\n');
                    rest = next;
                }
                _ => return after,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Decodes with the input cut after each of `cuts` bytes: what a session would see.
    fn decode(input: &[u8], cuts: &[usize]) -> (Vec<u8>, bool, DataStatus, usize) {
        let (mut decoder, mut out, mut total) = (DataDecoder::default(), Vec::new(), 0);
        let mut rest = input;
        for &cut in cuts.iter().chain([&usize::MAX]) {
            let (now, later) = rest.split_at(cut.min(rest.len()));
            let (used, status) = decoder.decode(now, &mut out);
            total += used;
            if status != DataStatus::More {
                return (
                    if decoder.is_broken() { Vec::new() } else { out },
                    decoder.is_broken(),
                    status,
                    total,
                );
            }
            assert_eq!(used, now.len());
            rest = later;
        }
        (if decoder.is_broken() { Vec::new() } else { out }, decoder.is_broken(), DataStatus::More, total)
    }

    #[test]
    fn clean_messages() {
        let table: &[(&[u8], &[u8], usize)] = &[
            (b".\r\n", b"", 0),
            (b"x\r\n.\r\n", b"x\n", 0),
            (b"Subject: x\r\n\r\nbody\r\n.\r\nQUIT\r\n", b"Subject: x\n\nbody\n", 6),
            (b"a.b\r\na.\r\n.\r\n", b"a.b\na.\n", 0),
            (b"..\r\n....\r\n. \r\n.x\r\n.\r\n", b".\n...\n \nx\n", 0),
            (b"\r\n\r\n.\r\n", b"\n\n", 0),
            (b"a\0\xff\r\n.\r\n.\r\n", b"a\0\xff\n", 3),
        ];
        for (wire, message, left) in table {
            let (out, broken, status, used) = decode(wire, &[]);
            assert_eq!(
                (&out[..], broken, status),
                (*message, false, DataStatus::End),
                "{}",
                wire.escape_ascii()
            );
            assert_eq!(wire.len() - used, *left, "{}", wire.escape_ascii());
        }
    }

    #[test]
    fn bare_newlines_break_a_message_and_never_end_it_cleanly() {
        let table: &[(&[u8], DataStatus)] = &[
            (b"a\r\r\n.\r\n", DataStatus::End),
            (b"a\r.\r\n.\r\n", DataStatus::End),
            (b"a\rb\r\n.\r\n", DataStatus::End),
            (b"a\nb\r\n.\r\n", DataStatus::End),
            (b"a\r\n.\rb\r\n.\r\n", DataStatus::End),
            (b"\n.\r\n", DataStatus::DoubtfulEnd),
            (b".\n\r\n.\r\n", DataStatus::DoubtfulEnd),
            (b"a\n.\r\n", DataStatus::DoubtfulEnd),
            (b"a\n.\nMAIL FROM:<evil>\r\n", DataStatus::DoubtfulEnd),
            (b"a\r\n.\nMAIL FROM:<evil>\r\n", DataStatus::DoubtfulEnd),
            (b"a\r\n.\r\r\n", DataStatus::More),
            (b"a\r.\r", DataStatus::More),
            (b"a\n", DataStatus::More),
        ];
        for (wire, expected) in table {
            let (_, broken, status, _) = decode(wire, &[]);
            assert_eq!((broken, status), (true, *expected), "{}", wire.escape_ascii());
        }
    }

    /// The encoding a correct client makes of lines.
    fn encode(lines: &[Vec<u8>]) -> (Vec<u8>, Vec<u8>) {
        let (mut wire, mut message) = (Vec::new(), Vec::new());
        for line in lines {
            if line.first() == Some(&b'.') {
                wire.push(b'.');
            }
            wire.extend_from_slice(line);
            wire.extend_from_slice(b"\r\n");
            message.extend_from_slice(line);
            message.push(b'\n');
        }
        wire.extend_from_slice(b".\r\n");
        (wire, message)
    }

    fn line() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(
            prop_oneof![Just(b'.'), any::<u8>()]
                .prop_filter("no line ends", |byte| !matches!(byte, b'\r' | b'\n')),
            0..20,
        )
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            lines in proptest::collection::vec(line(), 0..8),
            cuts in proptest::collection::vec(0usize..9, 0..20),
        ) {
            let (wire, message) = encode(&lines);
            let with_more = [&wire[..], b"QUIT\r\n"].concat();
            prop_assert_eq!(decode(&with_more, &cuts), (message, false, DataStatus::End, wire.len()));
        }

        #[test]
        fn any_cut_gives_the_same_answer(
            wire in "[\r\n.ax]{0,30}",
            cuts in proptest::collection::vec(0usize..5, 0..30),
        ) {
            prop_assert_eq!(decode(wire.as_bytes(), &cuts), decode(wire.as_bytes(), &[]));
        }

        #[test]
        fn an_accepted_message_ends_only_at_the_first_true_end(wire in "[\r\n.ax]{0,30}") {
            let (_, broken, status, used) = decode(wire.as_bytes(), &[]);
            if status == DataStatus::End {
                let line_starts_here = [b"\r\n", wire.as_bytes()].concat();
                let end = memchr::memmem::find(&line_starts_here, b"\r\n.\r\n").unwrap();
                prop_assert_eq!(used, end + 3);
            }
            if status == DataStatus::DoubtfulEnd {
                prop_assert!(broken);
            }
        }
    }
}
