//! control/taps: who gets a copy of which messages (contract 16.3).
//!
//! ```text
//! F:pattern:address    of messages whose sender matches
//! T:pattern:address    of messages to a recipient that matches
//! A:pattern:address    of both
//! pattern:address      the same, in the older form
//! ```
//!
//! The first line that matches counts: for the sender, then for each recipient in turn, and a message is copied once. A
//! leading `!` turns a pattern round. A line without an address makes no copy, and ends the search as any other: so
//! messages are taken out of what later lines say.

use crate::pattern::Pattern;
use crate::{Control, ControlError, Warning};

/// Its name.
pub const NAME: &str = "taps";

/// Lines that count.
pub const LINES_MAX: usize = 1000;

/// The longest address: qmail-queue takes no longer one.
const ADDRESS_MAX_BYTES: usize = 1000;

/// What a line should be.
pub const ACCEPTED: &str =
    "F:, T: or A:, a regular expression of ours and an address, with a colon between them";

/// Which address of an envelope it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Whom the message is from.
    Sender,
    /// One of those whom it is for.
    Recipient,
}

/// The file.
#[derive(Debug, Default)]
pub struct Taps(Vec<Tap>);

#[derive(Debug)]
struct Tap {
    side: Option<Side>,
    is_negated: bool,
    pattern: Pattern,
    address: Vec<u8>,
}

impl Taps {
    /// Reads it. A line that is none is reported and does not count; no file is no taps.
    pub fn read(control: &Control, warn: &mut dyn FnMut(Warning)) -> Result<Self, ControlError> {
        let mut taps = Vec::new();
        for (line, value) in control.numbered_list(NAME)?.unwrap_or_default() {
            let is_full = taps.len() >= LINES_MAX;
            match Tap::parse(&value) {
                Some(tap) if !is_full => taps.push(tap),
                _ => {
                    let accepted = if is_full {
                        format!("among the first {LINES_MAX} lines")
                    } else {
                        ACCEPTED.to_owned()
                    };
                    let used = "nothing in its place".to_owned();
                    warn(Warning { file: NAME.to_owned(), line, value, accepted, used });
                    if is_full {
                        break;
                    }
                }
            }
        }
        Ok(Self(taps))
    }

    /// Whether it says nothing at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Who gets a copy because of this address; an empty answer is nobody. `None`: no line matches.
    pub fn matching(&self, side: Side, address: &[u8]) -> Option<&[u8]> {
        let matches = |tap: &&Tap| {
            tap.side.is_none_or(|its| its == side) && tap.pattern.is_found_in(address) != tap.is_negated
        };
        self.0.iter().find(matches).map(|tap| tap.address.as_slice())
    }
}

/// Whether it is a line that counts.
pub fn is_line(line: &[u8]) -> bool {
    Tap::parse(line).is_some()
}

impl Tap {
    fn parse(line: &[u8]) -> Option<Self> {
        let (side, rest) = match line {
            [b'F', b':', rest @ ..] => (Some(Side::Sender), rest),
            [b'T', b':', rest @ ..] => (Some(Side::Recipient), rest),
            [b'A', b':', rest @ ..] => (None, rest),
            _ => (None, line),
        };
        let colon = memchr::memchr(b':', rest)?;
        let (expression, address) = rest.split_at_checked(colon)?;
        let (is_negated, expression) =
            expression.strip_prefix(b"!").map_or((false, expression), |expression| (true, expression));
        let address = address.get(1..)?;
        if expression.is_empty() || address.len() > ADDRESS_MAX_BYTES {
            return None;
        }
        Some(Self { side, is_negated, pattern: Pattern::parse(expression)?, address: address.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taps(text: &str) -> (Taps, Vec<String>) {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("control")).unwrap();
        std::fs::write(home.path().join("control/taps"), text).unwrap();
        let mut warnings = Vec::new();
        let taps = Taps::read(&Control::at(home.path()), &mut |warning| warnings.push(warning.to_string()));
        (taps.unwrap(), warnings)
    }

    fn matching(taps: &Taps, side: Side, address: &str) -> Option<String> {
        taps.matching(side, address.as_bytes()).map(|found| String::from_utf8(found.to_vec()).unwrap())
    }

    #[test]
    fn the_first_line_for_that_side_counts() {
        let (taps, warnings) = taps(
            "# of the board\nF:^ceo@x\\.example$:\nF:@x\\.example$:out@x\nT:@x\\.example$:in@x\nA:z:both@x\nold:older@x  \n",
        );
        assert_eq!(warnings, [""; 0]);
        for (side, address, found) in [
            (Side::Sender, "CEO@x.example", Some("")),
            (Side::Sender, "joe@x.example", Some("out@x")),
            (Side::Recipient, "joe@x.example", Some("in@x")),
            (Side::Sender, "z@y", Some("both@x")),
            (Side::Recipient, "z@y", Some("both@x")),
            (Side::Recipient, "the-old@y", Some("older@x")),
            (Side::Sender, "old@y", Some("older@x")),
            (Side::Sender, "", None),
            (Side::Recipient, "a@y", None),
        ] {
            assert_eq!(matching(&taps, side, address).as_deref(), found, "{side:?} {address}");
        }
    }

    #[test]
    fn a_pattern_may_be_turned_round() {
        let (taps, _) = taps("F:!@x\\.example$:strangers@x\n");
        assert_eq!(matching(&taps, Side::Sender, "a@y").as_deref(), Some("strangers@x"));
        assert_eq!(matching(&taps, Side::Sender, "a@x.example"), None);
    }

    #[test]
    fn wrong_lines_are_told_and_do_not_count() {
        let (taps, warnings) = taps("F:(:a@x\nT:a@x\nnothing\nA::a@x\nT:b:c@x\n");
        assert_eq!(warnings.len(), 4, "{warnings:?}");
        assert!(
            warnings[0].starts_with("control/taps line 1: \"F:(:a@x\" is not F:, T: or A:"),
            "{warnings:?}"
        );
        assert!(warnings[3].starts_with("control/taps line 4: "), "{warnings:?}");
        assert_eq!(matching(&taps, Side::Recipient, "b@y").as_deref(), Some("c@x"));
        assert_eq!(matching(&taps, Side::Sender, "b@y"), None);
    }

    #[test]
    fn no_file_is_no_taps_and_more_than_enough_is_told() {
        let home = tempfile::tempdir().unwrap();
        assert!(Taps::read(&Control::at(home.path()), &mut |_| panic!("a warning")).unwrap().is_empty());
        let (taps, warnings) = taps(&"x:y\n".repeat(LINES_MAX + 5));
        assert_eq!((taps.0.len(), warnings.len()), (LINES_MAX, 1));
    }

    proptest::proptest! {
        #[test]
        fn any_line_is_read_or_none(line in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..60)) {
            let _ = is_line(&line);
        }
    }
}
