//! Addresses written where a host name could stand: `192.0.2.1`, `[192.0.2.1]`, `2001:db8::1`,
//! `[2001:db8::1]`, `[IPv6:2001:db8::1]` (RFC 5321 §4.1.3).

use std::net::IpAddr;

/// The address that `host` spells out, or `None` where it is a name.
pub fn parse(host: &[u8]) -> Option<IpAddr> {
    let inner = match host.strip_prefix(b"[") {
        Some(rest) => {
            let inner = rest.strip_suffix(b"]")?;
            match inner.split_at_checked(5) {
                Some((tag, address)) if tag.eq_ignore_ascii_case(b"IPv6:") => address,
                _ => inner,
            }
        }
        None => host,
    };
    let address: IpAddr = std::str::from_utf8(inner).ok()?.parse().ok()?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_known_bare_and_in_brackets() {
        for (host, want) in [
            ("192.0.2.1", Some("192.0.2.1")),
            ("[192.0.2.1]", Some("192.0.2.1")),
            ("::1", Some("::1")),
            ("[::1]", Some("::1")),
            ("[IPv6:2001:db8::1]", Some("2001:db8::1")),
            ("[ipv6:::ffff:192.0.2.1]", Some("192.0.2.1")),
            ("192.0.2", None),
            ("192.0.2.1.", None),
            ("[192.0.2.1", None),
            ("example.org", None),
            ("", None),
            ("[]", None),
        ] {
            assert_eq!(parse(host.as_bytes()), want.map(|text| text.parse().unwrap()), "{host}");
        }
    }
}
