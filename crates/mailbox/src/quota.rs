//! What a Maildir may hold and what it holds, as the file `maildirsize` says it (Maildir++, contract 16.7).
//!
//! ```text
//! 10000000S,1000C      the quota: bytes, messages; 0 is no limit
//! 8312 4               what was there when it was counted
//! 2041 1               a message came
//! -1500 -1             one went
//! ```
//!
//! The first line is kept as it is found, also where it says more than we understand.

use memchr::memchr;

/// A file of that length is counted anew instead of being read on. The other programs have the same number.
pub const LEDGER_MAX_BYTES: usize = 5_120;

/// What a Maildir may hold; `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quota {
    /// Bytes of all messages.
    pub bytes: Option<i64>,
    /// How many messages.
    pub messages: Option<i64>,
}

/// How much is in a Maildir, or how much comes or, below zero, goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of all messages.
    pub bytes: i64,
    /// How many messages.
    pub messages: i64,
}

/// The file, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    /// The first line, without its end.
    pub definition: Vec<u8>,
    /// What it means.
    pub quota: Quota,
    /// The sum of the other lines, if they can be believed; otherwise the messages have to be counted.
    pub usage: Option<Usage>,
    /// How many lines there are behind the first.
    pub lines: usize,
}

impl Quota {
    /// Reads a definition: numbers with `S` for bytes or `C` for messages, and commas between them. A number alone is
    /// bytes. What is not understood limits nothing.
    pub fn decode(definition: &[u8]) -> Self {
        let mut quota = Self::default();
        for part in definition.split(|&byte| byte == b',') {
            let part = part.trim_ascii();
            let digits = part.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let (digits, kind) = part.split_at(digits);
            let limit = number(digits).filter(|&limit| limit > 0);
            match kind {
                b"S" | b"" => quota.bytes = limit.or(quota.bytes),
                b"C" => quota.messages = limit.or(quota.messages),
                _ => {}
            }
        }
        quota
    }

    /// Whether anything is limited.
    pub fn is_limited(self) -> bool {
        self != Self::default()
    }

    /// Whether `more` may come to what is there.
    pub fn admits(self, there: Usage, more: Usage) -> bool {
        let fits = |limit: Option<i64>, there: i64, more: i64| {
            limit.is_none_or(|limit| there.saturating_add(more) <= limit)
        };
        fits(self.bytes, there.bytes, more.bytes) && fits(self.messages, there.messages, more.messages)
    }
}

impl Usage {
    /// One message of that many bytes.
    pub fn message(bytes: u64) -> Self {
        Self { bytes: i64::try_from(bytes).unwrap_or(i64::MAX), messages: 1 }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            messages: self.messages.saturating_add(other.messages),
        }
    }

    /// As much less.
    #[must_use]
    pub fn negative(self) -> Self {
        Self { bytes: self.bytes.saturating_neg(), messages: self.messages.saturating_neg() }
    }

    /// As a line of the file.
    pub fn line(self) -> Vec<u8> {
        format!("{} {}\n", self.bytes, self.messages).into_bytes()
    }

    fn decode(line: &[u8]) -> Option<Self> {
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let (bytes, messages) = (words.next()?, words.next()?);
        let signed = |word: &[u8]| match word.split_first() {
            Some((b'-', digits)) => number(digits).map(|number| -number),
            _ => number(word),
        };
        words.next().is_none().then_some(Self { bytes: signed(bytes)?, messages: signed(messages)? })
    }
}

impl Ledger {
    /// Reads the beginning of the file, [`LEDGER_MAX_BYTES`] of it. `None`: no quota is defined.
    pub fn decode(text: &[u8]) -> Option<Self> {
        let end = memchr(b'\n', text).or((text.len() < LEDGER_MAX_BYTES).then_some(text.len()))?;
        let (definition, rest) = text.split_at_checked(end)?;
        if definition.trim_ascii().is_empty() {
            return None;
        }
        let rest = rest.get(1..).unwrap_or_default();
        let lines = rest.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        let is_whole = text.len() < LEDGER_MAX_BYTES && rest.ends_with(b"\n");
        let sum = |sum: Usage, line| {
            let more = Usage::decode(line)?;
            Some(Usage {
                bytes: sum.bytes.checked_add(more.bytes)?,
                messages: sum.messages.checked_add(more.messages)?,
            })
        };
        Some(Self {
            definition: definition.to_vec(),
            quota: Quota::decode(definition),
            usage: lines
                .clone()
                .try_fold(Usage::default(), sum)
                .filter(|usage| is_whole && usage.bytes >= 0 && usage.messages >= 0),
            lines: lines.count(),
        })
    }
}

/// Digits alone, and not too many. Also below zero every number has its opposite.
fn number(digits: &[u8]) -> Option<i64> {
    let all = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| all)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn usage(bytes: i64, messages: i64) -> Usage {
        Usage { bytes, messages }
    }

    #[test]
    fn definitions_are_read_as_the_others_read_them() {
        for (definition, bytes, messages) in [
            ("10000000S,1000C", Some(10_000_000), Some(1000)),
            ("1000C, 10S", Some(10), Some(1000)),
            ("5000", Some(5000), None),
            ("0S,0C", None, None),
            ("7C", None, Some(7)),
            ("NOQUOTA", None, None),
            ("10M,3Q,-5S,S,C", None, None),
            ("99999999999999999999999S", None, None),
        ] {
            assert_eq!(Quota::decode(definition.as_bytes()), Quota { bytes, messages }, "{definition}");
        }
    }

    #[test]
    fn a_quota_that_is_reached_is_not_exceeded() {
        let quota = Quota { bytes: Some(100), messages: Some(2) };
        assert!(quota.admits(usage(90, 1), usage(10, 1)));
        assert!(!quota.admits(usage(91, 1), usage(10, 1)));
        assert!(!quota.admits(usage(0, 2), usage(0, 1)));
        assert!(Quota::default().admits(usage(i64::MAX, i64::MAX), usage(i64::MAX, 1)));
    }

    #[test]
    fn lines_are_added_up_or_not_believed() {
        let table: &[(&str, Option<Usage>)] = &[
            ("10S\n5 1\n", Some(usage(5, 1))),
            ("10S\n5 1\n-2 -1\n  120   3\n", Some(usage(123, 3))),
            // Nobody has counted yet.
            ("10S", None),
            ("10S\n", None),
            // Cut short, or somebody is writing.
            ("10S\n5 1", None),
            ("10S\n5\n", None),
            ("10S\n5 1 2\n", None),
            ("10S\n5 x\n", None),
            ("10S\n-5 1\n", None),
            ("10S\n9223372036854775807 1\n9223372036854775807 1\n", None),
        ];
        for (text, expected) in table {
            let ledger = Ledger::decode(text.as_bytes()).unwrap();
            assert_eq!(ledger.usage, *expected, "{text}");
            assert_eq!(ledger.definition, b"10S");
        }
    }

    #[test]
    fn a_file_without_a_definition_is_no_quota() {
        for text in [&b""[..], b"\n5 1\n", b"  \n5 1\n", &[b'1'; LEDGER_MAX_BYTES]] {
            assert_eq!(Ledger::decode(text), None);
        }
    }

    #[test]
    fn a_long_file_is_counted_anew_and_its_quota_stays() {
        let text = [&b"10S\n"[..], &b"1 1\n".repeat(LEDGER_MAX_BYTES / 4)].concat();
        let ledger = Ledger::decode(&text[..LEDGER_MAX_BYTES]).unwrap();
        assert_eq!((ledger.usage, ledger.quota.bytes), (None, Some(10)));
    }

    proptest! {
        #[test]
        fn any_file_is_read(text in proptest::collection::vec(any::<u8>(), 0..6000)) {
            let _ = Ledger::decode(&text);
        }

        #[test]
        fn anything_like_a_file_is_read(text in "[0-9SC,\\- \n\t]{0,200}") {
            if let Some(ledger) = Ledger::decode(text.as_bytes()) {
                prop_assert!(ledger.usage.is_none_or(|usage| usage.bytes >= 0 && usage.messages >= 0));
            }
        }

        #[test]
        fn what_is_written_is_read(bytes in 0..i64::MAX, messages in 0..i64::MAX) {
            let text = [b"1S\n".to_vec(), usage(bytes, messages).line()].concat();
            prop_assert_eq!(Ledger::decode(&text).unwrap().usage, Some(usage(bytes, messages)));
        }
    }
}
