//! SMTP command lines: verb and argument (RFC 5321 §4.1.1, contract 6.5).
//!
//! Parsing is total and as tolerant as qmail-smtpd: any case, any number of spaces after the verb, a line ended
//! by CR LF or by LF alone. What an argument may never hold is a NUL, a CR or an LF: an address made of one
//! would write envelope records, header lines or further commands of the sender's choosing.

/// The longest command line, its end included. RFC 5321 §4.5.3.1.4 asks for 512 and more for extensions.
pub const LINE_MAX_BYTES: usize = 4096;

/// What a client can ask for. Everything we do not offer is [`Verb::Unknown`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // The names are the RFC's.
pub enum Verb {
    Helo,
    Ehlo,
    Mail,
    Rcpt,
    Data,
    Rset,
    Noop,
    Help,
    Vrfy,
    Quit,
    Unknown,
}

const VERBS: [(&[u8], Verb); 10] = [
    (b"mail", Verb::Mail),
    (b"rcpt", Verb::Rcpt),
    (b"data", Verb::Data),
    (b"quit", Verb::Quit),
    (b"ehlo", Verb::Ehlo),
    (b"helo", Verb::Helo),
    (b"rset", Verb::Rset),
    (b"noop", Verb::Noop),
    (b"help", Verb::Help),
    (b"vrfy", Verb::Vrfy),
];

impl Verb {
    fn from_word(word: &[u8]) -> Self {
        VERBS
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(word))
            .map_or(Self::Unknown, |&(_, verb)| verb)
    }

    /// True where the argument ends up in an address or a header line.
    fn uses_argument(self) -> bool {
        matches!(self, Self::Helo | Self::Ehlo | Self::Mail | Self::Rcpt)
    }
}

/// An argument holds a byte that no argument may hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("byte {0:#04x} in a command argument")]
pub struct ForbiddenByte(pub u8);

/// One command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Command<'a> {
    /// What is asked for.
    pub verb: Verb,
    /// What follows the verb, without the spaces before it.
    pub argument: Result<&'a [u8], ForbiddenByte>,
}

impl<'a> Command<'a> {
    /// Parses a line without its LF; one CR at its end belongs to the line end.
    pub fn parse(line: &'a [u8]) -> Self {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        // As for the original, a NUL ends the command word, too.
        let (word, rest) = match line.iter().position(|&byte| byte == b' ' || byte == 0) {
            Some(end) => line.split_at(end),
            None => (line, &[][..]),
        };
        let verb = Verb::from_word(word);
        let argument = if rest.first() == Some(&0) {
            if verb.uses_argument() { Err(ForbiddenByte(0)) } else { Ok(&[][..]) }
        } else {
            let spaces = rest.iter().take_while(|&&byte| byte == b' ').count();
            let argument = rest.get(spaces..).unwrap_or_default();
            match argument.iter().find(|byte| matches!(byte, 0 | b'\r' | b'\n')) {
                Some(&byte) => Err(ForbiddenByte(byte)),
                None => Ok(argument),
            }
        };
        Self { verb, argument }
    }
}

/// What the bytes at hand begin with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Line<'a> {
    /// No line end yet: more bytes are needed.
    Incomplete,
    /// A whole line, without its LF.
    Complete(&'a [u8]),
    /// The end of a line that was longer than [`LINE_MAX_BYTES`].
    TooLong,
}

/// Cuts a byte stream into lines and never needs more than [`LINE_MAX_BYTES`] of it at once.
#[derive(Debug, Default)]
pub struct LineCutter {
    skipping: bool,
}

impl LineCutter {
    /// Looks at the front of `input`: what is there, and how many bytes of it are used up.
    pub fn cut<'a>(&mut self, input: &'a [u8]) -> (Line<'a>, usize) {
        let window = input.get(..LINE_MAX_BYTES).unwrap_or(input);
        match memchr::memchr(b'\n', window) {
            Some(end) => {
                let line = window.get(..end).unwrap_or_default();
                let too_long = std::mem::take(&mut self.skipping);
                (if too_long { Line::TooLong } else { Line::Complete(line) }, end.saturating_add(1))
            }
            None if self.skipping || window.len() == LINE_MAX_BYTES => {
                self.skipping = true;
                (Line::Incomplete, window.len())
            }
            None => (Line::Incomplete, 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_and_what_they_ask_for() {
        let ok = |verb, argument| Command { verb, argument: Ok(argument) };
        let bad = |verb, byte| Command { verb, argument: Err(ForbiddenByte(byte)) };
        let table: &[(&[u8], Command<'_>)] = &[
            (b"QUIT\r", ok(Verb::Quit, b"")),
            (b"quit", ok(Verb::Quit, b"")),
            (b"HeLo  peer  \r", ok(Verb::Helo, b"peer  ")),
            (b"MAIL FROM:<a@b>\r", ok(Verb::Mail, b"FROM:<a@b>")),
            (b" NOOP\r", ok(Verb::Unknown, b"NOOP")),
            (b"NOOP\t\r", ok(Verb::Unknown, b"")),
            (b"\rNOOP\r", ok(Verb::Unknown, b"")),
            (b"NOOP\r\r", ok(Verb::Unknown, b"")),
            (b"", ok(Verb::Unknown, b"")),
            (b"\0NOOP\r", ok(Verb::Unknown, b"")),
            (b"NOOP\0x\r", ok(Verb::Noop, b"")),
            (b"MAIL\0 FROM:<a@b>\r", bad(Verb::Mail, 0)),
            (b"RCPT TO:<a\0b@c>\r", bad(Verb::Rcpt, 0)),
            (b"RCPT TO:<a\rb@c>\r", bad(Verb::Rcpt, b'\r')),
            (b"HELO a\r\r", bad(Verb::Helo, b'\r')),
            (b"NOOP x\0y", bad(Verb::Noop, 0)),
        ];
        for (line, command) in table {
            assert_eq!(Command::parse(line), *command, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_swallowed_to_its_end() {
        let mut cutter = LineCutter::default();
        let long = [vec![b'x'; 3 * LINE_MAX_BYTES + 5], b"\nQUIT\r\n".to_vec()].concat();
        let (mut rest, mut seen) = (&long[..], Vec::new());
        while !rest.is_empty() {
            let (line, used) = cutter.cut(rest);
            assert!(used > 0);
            seen.push(line);
            rest = &rest[used..];
        }
        let (last, before) = seen.split_last().unwrap();
        assert_eq!(last, &Line::Complete(b"QUIT\r"));
        assert_eq!(before.last(), Some(&Line::TooLong));
        assert_eq!(before.iter().filter(|line| **line == Line::TooLong).count(), 1);
    }

    #[test]
    fn the_longest_line_just_fits() {
        let line = [vec![b'x'; LINE_MAX_BYTES - 1], b"\n".to_vec()].concat();
        assert_eq!(
            LineCutter::default().cut(&line),
            (Line::Complete(&line[..LINE_MAX_BYTES - 1]), LINE_MAX_BYTES)
        );
    }

    proptest! {
        #[test]
        fn any_line_is_a_command_whose_argument_is_clean(line: Vec<u8>) {
            let command = Command::parse(&line);
            if let Ok(argument) = command.argument {
                prop_assert!(!argument.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n')));
            }
        }
    }
}
