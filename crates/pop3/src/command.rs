//! A command line taken apart.

/// The longest command that is read. RFC 2449 §4 asks for 255 octets; pass phrases are longer than their inventors
/// thought.
pub const LINE_MAX_BYTES: usize = 4096;

/// A keyword and what follows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Command<'a> {
    /// Up to the first space. Compare it with [`Command::is`].
    pub keyword: &'a [u8],
    /// All that follows the spaces after it, with the spaces inside and at its end.
    pub argument: &'a [u8],
}

/// A line that is no command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoCommand {
    /// It holds a NUL. The original took the line to end there; behind it, in the question to a checking program,
    /// would be a field of the client's own making.
    Nul,
}

impl<'a> Command<'a> {
    /// Takes a line apart that has lost its LF. One CR at its end goes, too.
    pub fn parse(line: &'a [u8]) -> Result<Self, NoCommand> {
        if line.contains(&0) {
            return Err(NoCommand::Nul);
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let (keyword, rest) = match line.iter().position(|&b| b == b' ') {
            Some(at) => line.split_at(at),
            None => (line, &b""[..]),
        };
        Ok(Self { keyword, argument: after_spaces(rest) })
    }

    /// In any case.
    pub fn is(&self, keyword: &str) -> bool {
        self.keyword.eq_ignore_ascii_case(keyword.as_bytes())
    }
}

/// Without the spaces at the start.
pub fn after_spaces(bytes: &[u8]) -> &[u8] {
    let spaces = bytes.iter().take_while(|&&b| b == b' ').count();
    bytes.get(spaces..).unwrap_or_default()
}

/// The digits at the start as a number, and what follows them. `None` without a digit. What no number can hold is the
/// greatest one.
pub fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let digits = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, rest) = bytes.split_at_checked(digits)?;
    let value = digits.iter().fold(0usize, |number, digit| {
        number.saturating_mul(10).saturating_add(usize::from(digit.wrapping_sub(b'0')))
    });
    (!digits.is_empty()).then_some((value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_are_taken_apart_as_the_original_did() {
        let rows: [(&[u8], &[u8], &[u8]); 8] = [
            (b"USER joe", b"USER", b"joe"),
            (b"user joe\r", b"user", b"joe"),
            (b"PASS a b  c \r", b"PASS", b"a b  c "),
            (b"APOP  joe d", b"APOP", b"joe d"),
            (b"STAT", b"STAT", b""),
            (b"STAT \r\r", b"STAT", b"\r"),
            (b" STAT", b"", b"STAT"),
            (b"", b"", b""),
        ];
        for (line, keyword, argument) in rows {
            assert_eq!(Command::parse(line), Ok(Command { keyword, argument }));
        }
        assert_eq!(Command::parse(b"USER a\0b"), Err(NoCommand::Nul));
    }

    #[test]
    fn numbers_are_the_digits_at_the_start() {
        assert_eq!(number(b"1x"), Some((1, &b"x"[..])));
        assert_eq!(number(b"12 3"), Some((12, &b" 3"[..])));
        assert_eq!(number(b"99999999999999999999999"), Some((usize::MAX, &b""[..])));
        for none in [&b""[..], b"x", b"-1", b" 1"] {
            assert_eq!(number(none), None);
        }
    }

    proptest! {
        #[test]
        fn no_line_is_too_odd(line in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(command) = Command::parse(&line) {
                prop_assert!(!command.keyword.contains(&b' '));
                prop_assert_ne!(command.argument.first(), Some(&b' '));
                let _ = number(command.argument);
            }
        }
    }
}
