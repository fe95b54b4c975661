//! A message's number: the inode of its file in `queue/mess`, in decimal, without leading zeros.

use std::fmt;

/// The name of a message in the queue. Decimal on disk and in logs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct QueueId(pub u64);

impl QueueId {
    /// Reads a file name: one to twenty digits and nothing else.
    ///
    /// The original takes names with leading zeros for the same message and so would look for a file of another
    /// name; we ignore them, as it ignores every name that is not a number.
    pub fn parse(name: &[u8]) -> Option<Self> {
        let decimal = decimal(name)?;
        (name.first() != Some(&b'0') || name.len() == 1).then_some(Self(decimal))
    }

    /// The directory that holds the message under `mess`, `info`, `local` and `remote`.
    pub fn directory(self, split: u64) -> u64 {
        self.0.checked_rem(split).unwrap_or(0)
    }
}

impl fmt::Display for QueueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A number made of digits only, without overflow.
pub(crate) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |n, &b| {
        let digit = b.is_ascii_digit().then(|| u64::from(b - b'0'))?;
        n.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_decimal_names_are_messages() {
        for (name, want) in [
            (&b"0"[..], Some(0)),
            (b"10243437", Some(10_243_437)),
            (b"18446744073709551615", Some(u64::MAX)),
            (b"18446744073709551616", None),
            (b"", None),
            (b"01", None),
            (b"1a", None),
            (b"-1", None),
            (b".1", None),
        ] {
            assert_eq!(QueueId::parse(name).map(|id| id.0), want, "{name:?}");
        }
    }

    #[test]
    fn a_split_of_nothing_does_not_divide_by_zero() {
        assert_eq!(QueueId(7).directory(0), 0);
        assert_eq!(QueueId(24).directory(23), 1);
    }
}
