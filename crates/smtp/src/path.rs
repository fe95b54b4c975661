//! The address in `MAIL FROM:` and `RCPT TO:` (RFC 5321 §4.1.2), read with qmail's tolerance (contract 6.5).
//!
//! Quotes and backslashes are taken off: what comes out is the address as envelopes carry it. What follows the
//! address is left for [`crate::parameters`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest address that MAIL and RCPT take.
pub const PATH_MAX_BYTES: usize = 899;

/// An envelope address from a client, unquoted. It holds no NUL, CR or LF, whatever the client sent; it may be
/// empty and it may lack an `@`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Path(Vec<u8>);

impl Path {
    /// Takes bytes as they are; `None` if one of them could break out of an envelope record or a header line.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let clean = !bytes.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n'));
        clean.then(|| Self(bytes.to_vec()))
    }

    /// The address.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// True if a control byte is in it. No address that is in use has one, and a terminal may obey it.
    pub fn has_control_byte(&self) -> bool {
        self.0.iter().any(u8::is_ascii_control)
    }

    /// What follows the last `@`, if there is one.
    pub fn domain(&self) -> Option<&[u8]> {
        let at = memchr::memrchr(b'@', &self.0)?;
        self.0.get(at.saturating_add(1)..)
    }

    /// The same local part at another host; unchanged if there is no `@` or `host` is not clean.
    #[must_use]
    pub fn at_host(self, host: &[u8]) -> Self {
        match memchr::memrchr(b'@', &self.0) {
            Some(at) => {
                let local = self.0.get(..at.saturating_add(1)).unwrap_or_default();
                Self::new(&[local, host].concat()).unwrap_or(self)
            }
            None => self,
        }
    }

    /// With `suffix` appended, as RELAYCLIENT asks; `None` if the suffix is not clean.
    pub fn with_suffix(&self, suffix: &[u8]) -> Option<Self> {
        Self::new(&[self.as_bytes(), suffix].concat())
    }
}

/// Finds the address in an argument: the address, and what follows it.
///
/// In order: what follows the first `<`, up to an unquoted `>`; without a `<`, what follows the first `:` and
/// spaces, up to an unquoted space. A source route (`@a,@b:`) is dropped. A missing terminator is accepted.
pub fn parse(argument: &[u8]) -> (Path, &[u8]) {
    let (mut rest, terminator) = match memchr::memchr(b'<', argument) {
        Some(open) => (argument.get(open.saturating_add(1)..).unwrap_or_default(), b'>'),
        None => {
            let after = match memchr::memchr(b':', argument) {
                Some(colon) => argument.get(colon.saturating_add(1)..).unwrap_or_default(),
                None => &[],
            };
            let spaces = after.iter().take_while(|&&byte| byte == b' ').count();
            (after.get(spaces..).unwrap_or_default(), b' ')
        }
    };
    if rest.first() == Some(&b'@') {
        rest = match memchr::memchr(b':', rest) {
            Some(colon) => rest.get(colon.saturating_add(1)..).unwrap_or_default(),
            None => &[],
        };
    }
    let mut address = Vec::with_capacity(rest.len().min(PATH_MAX_BYTES));
    let (mut escaped, mut quoted) = (false, false);
    let mut bytes = rest.iter();
    for &byte in bytes.by_ref() {
        match byte {
            // Callers hand in clean arguments; were there such a byte, it ends here.
            0 | b'\r' | b'\n' => continue,
            _ if escaped => {
                address.push(byte);
                escaped = false;
            }
            _ if byte == terminator && !quoted => break,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            _ => address.push(byte),
        }
    }
    (Path(address), bytes.as_slice())
}

/// The address in a domain literal: `[d.d.d.d]` as qmail reads it, or `[IPv6:...]` (RFC 5321 §4.1.3).
pub fn address_literal(domain: &[u8]) -> Option<IpAddr> {
    let inside = domain.strip_prefix(b"[")?.strip_suffix(b"]")?;
    if let Some((tag, address)) = inside.split_at_checked(5)
        && tag.eq_ignore_ascii_case(b"IPv6:")
    {
        return std::str::from_utf8(address).ok()?.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    }
    let mut octets = [0u8; 4];
    let mut parts = inside.split(|&byte| byte == b'.');
    for octet in &mut octets {
        let digits = parts.next()?;
        // Leading zeros are allowed and decimal.
        *octet = (!digits.is_empty()).then_some(digits)?.iter().try_fold(0u8, |value, &digit| {
            let digit = digit.is_ascii_digit().then(|| digit.wrapping_sub(b'0'))?;
            value.checked_mul(10)?.checked_add(digit)
        })?;
    }
    parts.next().is_none().then(|| IpAddr::V4(Ipv4Addr::from(octets)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn arguments_and_their_addresses() {
        let table: &[(&[u8], &[u8], &[u8])] = &[
            (b"FROM:<s@x.example>", b"s@x.example", b""),
            (b"FROM: <s@x.example>", b"s@x.example", b""),
            (b"FROM:s@x.example", b"s@x.example", b""),
            (b"FROM: s@x.example trailing", b"s@x.example", b"trailing"),
            (b"FROM:<s@x.example> BODY=8BITMIME", b"s@x.example", b" BODY=8BITMIME"),
            (b"XYZ:<s@x>", b"s@x", b""),
            (b"FROM:", b"", b""),
            (b"", b"", b""),
            (b"FROM:<>", b"", b""),
            (b"FROM:<s@x.example", b"s@x.example", b""),
            (br#"FROM:<"a\"b"@x>"#, br#"a"b@x"#, b""),
            (br"FROM:<a\ b@x>", b"a b@x", b""),
            (br#"FROM:<"a>b"@x>"#, b"a>b@x", b""),
            (b"FROM:<@r1>", b"", b""),
            (b"FROM:<@r1,@r2:s@x>", b"s@x", b""),
            (br"FROM:<s@x\>", b"s@x>", b""),
            (b"FROM:<< s@x >>", b"< s@x ", b">"),
            (b"FROM:Joe <s@x>", b"s@x", b""),
            (b"FROM:a:b@x", b"a:b@x", b""),
            (b"FROM:\"a b\"@x", b"a b@x", b""),
            (br"FROM:a\ b@x c", b"a b@x", b"c"),
        ];
        for (argument, address, rest) in table {
            let (path, after) = parse(argument);
            assert_eq!((path.as_bytes(), after), (*address, *rest), "{}", argument.escape_ascii());
        }
    }

    #[test]
    fn literals_and_their_addresses() {
        let table: &[(&[u8], Option<&str>)] = &[
            (b"[127.0.0.1]", Some("127.0.0.1")),
            (b"[127.0.0.001]", Some("127.0.0.1")),
            (b"[0.0.0.0]", Some("0.0.0.0")),
            (b"[IPv6:::1]", Some("::1")),
            (b"[127.1]", None),
            (b"[127.0.0.1", None),
            (b"[127.0.0.1].", None),
            (b"[256.0.0.1]", None),
            (b"[1.2.3.4.5]", None),
            (b"[...]", None),
            (b"[]", None),
            (b"127.0.0.1", None),
        ];
        for (domain, address) in table {
            assert_eq!(
                address_literal(domain),
                address.map(|text| text.parse().unwrap()),
                "{}",
                domain.escape_ascii()
            );
        }
    }

    #[test]
    fn nothing_unclean_becomes_a_path() {
        assert_eq!(Path::new(b"a\0b"), None);
        assert_eq!(Path::new(b"a@b").and_then(|path| path.with_suffix(b"\nTx@y")), None);
        assert_eq!(Path::new(b"a@b@[1.2.3.4]").unwrap().at_host(b"h").as_bytes(), b"a@b@h");
        assert_eq!(Path::new(b"a@b").unwrap().at_host(b"h\0").as_bytes(), b"a@b");
    }

    proptest! {
        #[test]
        fn any_argument_gives_a_clean_path(argument: Vec<u8>) {
            let (path, _) = parse(&argument);
            prop_assert!(!path.as_bytes().iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n')));
            let _ = address_literal(&argument);
        }

        #[test]
        fn what_is_quoted_is_read_back(address in "[ -~]{0,40}") {
            let escaped: String = address.chars().flat_map(|c| ['\\', c]).collect();
            let argument = format!("FROM:<{escaped}> SIZE=1");
            let (path, rest) = parse(argument.as_bytes());
            prop_assert_eq!(path.as_bytes(), address.as_bytes());
            prop_assert_eq!(rest, b" SIZE=1");
        }
    }
}
