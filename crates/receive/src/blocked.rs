//! Clients that are refused because of where they come from: what rblsmtpd(1) does, and what the variable RBLSMTPD
//! tells it.

/// The longest text that is shown; rblsmtpd cuts there.
const TEXT_MAX_BYTES: usize = 200;

/// What has been decided about a client before it says anything.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Blocked {
    /// RBLSMTPD is empty: it is not looked for in any list.
    Never,
    /// Recipients are refused.
    Because {
        /// 553, or else 451.
        for_good: bool,
        /// Why.
        text: Vec<u8>,
    },
}

impl Blocked {
    /// The meaning of RBLSMTPD: nothing accepts, `-text` refuses for good, another text for now.
    pub fn from_variable(value: &[u8]) -> Self {
        match value.split_first() {
            None => Self::Never,
            Some((b'-', text)) => Self::because(true, text),
            Some(_) => Self::because(false, value),
        }
    }

    /// A refusal. Bytes that are not printable are shown as question marks.
    pub fn because(for_good: bool, text: &[u8]) -> Self {
        let printable = |byte: &u8| if matches!(byte, b' '..=b'~') { *byte } else { b'?' };
        Self::Because { for_good, text: text.iter().take(TEXT_MAX_BYTES).map(printable).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_is_read_as_rblsmtpd_reads_it() {
        let because = |for_good, text: &str| Blocked::Because { for_good, text: text.into() };
        let table = [
            (&b""[..], Blocked::Never),
            (b"-go away", because(true, "go away")),
            (b"later", because(false, "later")),
            (b"-", because(true, "")),
            (b"a\r\n250 b", because(false, "a??250 b")),
        ];
        for (value, wanted) in table {
            assert_eq!(Blocked::from_variable(value), wanted, "{}", value.escape_ascii());
        }
        let long = because(false, &"x".repeat(200));
        assert_eq!(Blocked::from_variable(&[b'x'; 300]), long);
    }
}
