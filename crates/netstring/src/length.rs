//! The digits before the colon, as they arrive.

use crate::NETSTRING_MAX_BYTES;

/// More digits than any length has, leading zeros included.
const DIGITS_MAX: u32 = 20;

/// Why a length is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LengthError {
    /// Something else than a digit, or no digit at all.
    #[error("a netstring does not begin with a length")]
    Malformed,
    /// More than [`NETSTRING_MAX_BYTES`].
    #[error("a netstring is longer than {NETSTRING_MAX_BYTES} bytes")]
    TooLong,
}

/// Reads one length.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Length {
    value: u64,
    digits: u32,
}

impl Length {
    /// Takes the next byte; the length once the colon has come. Leading zeros are taken, as the original does.
    pub fn push(&mut self, byte: u8) -> Result<Option<u64>, LengthError> {
        match byte {
            b':' if self.digits > 0 => Ok(Some(self.value)),
            b'0'..=b'9' => {
                let digit = u64::from(byte.wrapping_sub(b'0'));
                self.value = self.value.saturating_mul(10).saturating_add(digit);
                self.digits = self.digits.saturating_add(1);
                let fits = self.value <= NETSTRING_MAX_BYTES && self.digits <= DIGITS_MAX;
                if fits { Ok(None) } else { Err(LengthError::TooLong) }
            }
            _ => Err(LengthError::Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Result<Option<u64>, LengthError> {
        let mut length = Length::default();
        for &byte in bytes {
            if let Some(value) = length.push(byte)? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    #[test]
    fn lengths_and_what_is_none() {
        type Case<'a> = (&'a [u8], Result<Option<u64>, LengthError>);
        let table: &[Case<'_>] = &[
            (b"0:", Ok(Some(0))),
            (b"0003:", Ok(Some(3))),
            (b"300000000:x", Ok(Some(300_000_000))),
            (b"12", Ok(None)),
            (b":", Err(LengthError::Malformed)),
            (b"5,", Err(LengthError::Malformed)),
            (b"-1:", Err(LengthError::Malformed)),
            (b"2000000010:", Err(LengthError::TooLong)),
            (b"99999999999999999999999:", Err(LengthError::TooLong)),
            (b"000000000000000000000", Err(LengthError::TooLong)),
        ];
        for (bytes, wanted) in table {
            assert_eq!(read(bytes), *wanted, "{}", bytes.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer(bytes: Vec<u8>) {
            if let Ok(Some(value)) = read(&bytes) {
                prop_assert!(value <= NETSTRING_MAX_BYTES);
            }
        }

        #[test]
        fn what_is_written_is_read(length in 0..=NETSTRING_MAX_BYTES) {
            prop_assert_eq!(read(format!("{length}:").as_bytes()), Ok(Some(length)));
        }
    }
}
