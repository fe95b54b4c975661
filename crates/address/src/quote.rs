//! Quoting of local parts (contract 14.7, RFC 5321 §4.1.2 Quoted-string).

/// The address with its local part quoted where RFC 821 and 822 demand it. The domain is never touched; an address
/// without `@` is quoted as a whole; the empty address stays empty.
pub fn quoted(address: &[u8]) -> Vec<u8> {
    if address.is_empty() {
        return Vec::new();
    }
    let (local, rest) = match memchr::memrchr(b'@', address) {
        Some(at) => address.split_at(at),
        None => (address, &[][..]),
    };
    let mut out = Vec::with_capacity(address.len().saturating_add(2));
    if needs_quotes(local) {
        out.push(b'"');
        for &byte in local {
            if matches!(byte, b'\r' | b'\n' | b'"' | b'\\') {
                out.push(b'\\');
            }
            out.push(byte);
        }
        out.push(b'"');
    } else {
        out.extend_from_slice(local);
    }
    out.extend_from_slice(rest);
    out
}

/// Whether a local part cannot stand in a header or an SMTP command as it is.
pub fn needs_quotes(local: &[u8]) -> bool {
    let special = |b: &u8| *b <= b' ' || *b >= 127 || b"\"(),:;<>@[\\]".contains(b);
    local.is_empty()
        || local.starts_with(b".")
        || local.ends_with(b".")
        || local.windows(2).any(|pair| pair == b"..")
        || local.iter().any(special)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn local_parts_are_quoted_when_needed() {
        for (plain, want) in [
            (&b""[..], &b""[..]),
            (b"joe@x", b"joe@x"),
            (b"joe", b"joe"),
            (b"a b@x", b"\"a b\"@x"),
            (b"@x", b"\"\"@x"),
            (b".a@x", b"\".a\"@x"),
            (b"a.@x", b"\"a.\"@x"),
            (b"a..b@x", b"\"a..b\"@x"),
            (b"a.b@x", b"a.b@x"),
            (b"a\"b@x", b"\"a\\\"b\"@x"),
            (b"a\\b@x", b"\"a\\\\b\"@x"),
            (b"a\nb@x", b"\"a\\\nb\"@x"),
            (b"a@b@x", b"\"a@b\"@x"),
            (b"j\xf6@x", b"\"j\xf6\"@x"),
            (b"joe@x y", b"joe@x y"),
        ] {
            assert_eq!(quoted(plain), want, "{plain:?}");
        }
    }

    proptest! {
        #[test]
        fn quoting_never_loses_a_byte(address: Vec<u8>) {
            let quoted = quoted(&address);
            prop_assert!(quoted.len() >= address.len());
        }
    }
}
