//! Parameters of MAIL: SIZE (RFC 1870) and BODY (RFC 6152). Others are passed over, as qmail always did.

/// What the client declares about its body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Body {
    /// ASCII only.
    SevenBit,
    /// Bytes above 127 occur.
    EightBit,
}

/// What a client declares about the message to come. An unreadable value counts as not given.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MailParameters {
    /// The message's size in bytes as it will be sent, line ends two bytes each.
    pub size_bytes: Option<u64>,
    /// Its body type.
    pub body: Option<Body>,
}

impl MailParameters {
    /// Reads what follows the address.
    pub fn parse(rest: &[u8]) -> Self {
        let mut found = Self::default();
        for parameter in rest.split(|&byte| byte == b' ' || byte == b'\t') {
            let mut halves = parameter.splitn(2, |&byte| byte == b'=');
            let (keyword, value) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
            if keyword.eq_ignore_ascii_case(b"SIZE") {
                found.size_bytes = decimal(value);
            } else if keyword.eq_ignore_ascii_case(b"BODY") {
                found.body = if value.eq_ignore_ascii_case(b"8BITMIME") {
                    Some(Body::EightBit)
                } else if value.eq_ignore_ascii_case(b"7BIT") {
                    Some(Body::SevenBit)
                } else {
                    None
                };
            }
        }
        found
    }
}

/// Decimal digits and nothing else; a number too large for us is the largest there is.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value =
        |total: u64, digit: &u8| total.saturating_mul(10).saturating_add(u64::from(digit.wrapping_sub(b'0')));
    Some(digits.iter().fold(0, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parameters_and_what_they_mean() {
        let table: &[(&[u8], Option<u64>, Option<Body>)] = &[
            (b"", None, None),
            (b" SIZE=500", Some(500), None),
            (b" size=0 body=8bitmime", Some(0), Some(Body::EightBit)),
            (b" BODY=7BIT SIZE=12 AUTH=<>", Some(12), Some(Body::SevenBit)),
            (b" SIZE=99999999999999999999999", Some(u64::MAX), None),
            (b" SIZE=", None, None),
            (b" SIZE=12x", None, None),
            (b" SIZE=-1", None, None),
            (b" BODY=BINARYMIME X-Y=z ORCPT", None, None),
        ];
        for &(rest, size_bytes, body) in table {
            assert_eq!(
                MailParameters::parse(rest),
                MailParameters { size_bytes, body },
                "{}",
                rest.escape_ascii()
            );
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer(rest: Vec<u8>) {
            let _ = MailParameters::parse(&rest);
        }
    }
}
