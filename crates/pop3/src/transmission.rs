//! A message as it is sent (RFC 1939 §3): LF becomes CR LF, lines that begin with a dot get another, a dot ends it.
//!
//! Lines may be of any length; none is ever held.

use std::io::{self, Read};

/// What is read at a time.
const PIECE_BYTES: usize = 16 << 10;

/// Sends what `message` holds up to its end, or as much of it as `body_lines` allows, and the end.
///
/// `blank_line`: before the end comes an empty line, which is not in the message, as the original had it (D59).
pub fn send(
    message: &mut impl Read,
    body_lines: Option<usize>,
    blank_line: bool,
    say: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut piece = [0; PIECE_BYTES];
    let mut wire = Vec::with_capacity(PIECE_BYTES.saturating_add(PIECE_BYTES / 16));
    let mut lines = Lines { left: body_lines, in_header: true, at_start: true };
    loop {
        let count = match message.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        wire.clear();
        let goes_on = lines.encode(piece.get(..count).unwrap_or_default(), &mut wire);
        say(&wire)?;
        if !goes_on {
            break;
        }
    }
    if !lines.at_start {
        say(b"\r\n")?;
    }
    if blank_line {
        say(b"\r\n")?;
    }
    say(b".\r\n")
}

/// Where in the message we are.
struct Lines {
    left: Option<usize>,
    in_header: bool,
    at_start: bool,
}

impl Lines {
    /// False when enough lines of the body have been sent.
    fn encode(&mut self, mut bytes: &[u8], wire: &mut Vec<u8>) -> bool {
        while let Some(&first) = bytes.first() {
            if self.at_start {
                // The empty line after the header is not one of the body.
                if !self.in_header {
                    match &mut self.left {
                        Some(0) => return false,
                        Some(left) => *left = left.saturating_sub(1),
                        None => {}
                    }
                }
                match first {
                    b'\n' => self.in_header = false,
                    b'.' => wire.push(b'.'),
                    _ => {}
                }
            }
            match memchr::memchr(b'\n', bytes) {
                Some(end) => {
                    wire.extend_from_slice(bytes.get(..end).unwrap_or_default());
                    wire.extend_from_slice(b"\r\n");
                    bytes = bytes.get(end.saturating_add(1)..).unwrap_or_default();
                    self.at_start = true;
                }
                None => {
                    wire.extend_from_slice(bytes);
                    bytes = &[];
                    self.at_start = false;
                }
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Gives a few bytes at a time.
    struct Slowly<'a>(&'a [u8], usize);

    impl Read for Slowly<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.0.len().min(self.1).min(buffer.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn sent(message: &[u8], body_lines: Option<usize>, blank_line: bool, at_once: usize) -> Vec<u8> {
        let mut wire = Vec::new();
        let mut say = |bytes: &[u8]| {
            wire.extend_from_slice(bytes);
            Ok(())
        };
        send(&mut Slowly(message, at_once), body_lines, blank_line, &mut say).unwrap();
        wire
    }

    #[test]
    fn what_is_sent_is_what_the_original_sent() {
        let rows: [(&str, Option<usize>, &str); 12] = [
            ("Subject: a\n\nbody a\n", None, "Subject: a\r\n\r\nbody a\r\n\r\n.\r\n"),
            ("Subject: a\n\nbody a\n", Some(0), "Subject: a\r\n\r\n\r\n.\r\n"),
            (
                "Subject: b\nTo: x\n\n.dot\n..two\nlast",
                Some(1),
                "Subject: b\r\nTo: x\r\n\r\n..dot\r\n\r\n.\r\n",
            ),
            (
                "Subject: b\n\n.dot\n..two\nlast",
                Some(9),
                "Subject: b\r\n\r\n..dot\r\n...two\r\nlast\r\n\r\n.\r\n",
            ),
            ("a\n\n\n\nb\n", Some(1), "a\r\n\r\n\r\n\r\n.\r\n"),
            ("abc", None, "abc\r\n\r\n.\r\n"),
            ("\n", Some(1), "\r\n\r\n.\r\n"),
            (".\n..\n.x\n", Some(1), "..\r\n...\r\n..x\r\n\r\n.\r\n"),
            ("a\r\n\r\nb\r\n", None, "a\r\r\n\r\r\nb\r\r\n\r\n.\r\n"),
            ("\nbody\n", Some(1), "\r\nbody\r\n\r\n.\r\n"),
            ("a\n.", None, "a\r\n..\r\n\r\n.\r\n"),
            ("", None, "\r\n.\r\n"),
        ];
        for (message, body_lines, expected) in rows {
            let wire = sent(message.as_bytes(), body_lines, true, 100);
            assert_eq!(String::from_utf8_lossy(&wire), expected, "{message:?} {body_lines:?}");
        }
        assert_eq!(sent(b"a\n", None, false, 9), b"a\r\n.\r\n");
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference_and_the_only_lone_dot_is_the_end(
            message in "[a.\n\r]{0,24}", body_lines in proptest::option::of(0usize..4), at_once in 1usize..5
        ) {
            let wire = sent(message.as_bytes(), body_lines, true, at_once);
            prop_assert_eq!(&wire, &sent(message.as_bytes(), body_lines, true, 1000));
            let ends = [b"\r\n", &wire[..]].concat();
            prop_assert_eq!(ends.windows(5).filter(|w| w == b"\r\n.\r\n").count(), 1);
            prop_assert!(wire.ends_with(b"\r\n.\r\n"));
        }

        #[test]
        fn a_client_that_undoes_it_has_the_message(message in "[a.\n]{0,24}") {
            let wire = sent(message.as_bytes(), None, false, 3);
            let text = String::from_utf8(wire).unwrap();
            let lines = text.strip_suffix(".\r\n").unwrap().split_terminator("\r\n");
            let undone: String = lines.map(|l| format!("{}\n", l.strip_prefix('.').unwrap_or(l))).collect();
            let complete = if message.is_empty() || message.ends_with('\n') { message } else { message + "\n" };
            prop_assert_eq!(undone, complete);
        }
    }
}
