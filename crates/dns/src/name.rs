//! Which byte strings are names that can be asked for.
//!
//! Labels are taken as they are (no IDNA, no escapes, no search list), since a mail domain is a
//! byte string; what cannot be put in a question does not exist.

use hickory_proto::rr::Name;

/// Longest name in text form without the final dot (RFC 1035 §3.1: 255 bytes on the wire).
pub const LONGEST_NAME_BYTES: usize = 253;

/// The fully qualified name for `host`, or `None` where no such name can exist: empty, an empty
/// label, a label above 63 bytes, more than [`LONGEST_NAME_BYTES`], or a blank or control byte.
///
/// One dot at the end is accepted and means the same.
pub fn parse(host: &[u8]) -> Option<Name> {
    let host = host.strip_suffix(b".").unwrap_or(host);
    if host.is_empty() || host.len() > LONGEST_NAME_BYTES {
        return None;
    }
    // Such names can be asked for, but no mail host has one, and answers would be echoed in bounces.
    if host.iter().any(|byte| *byte <= b' ' || *byte == 0x7f) {
        return None;
    }
    let mut labels = host.split(|byte| *byte == b'.');
    if labels.clone().any(|label| label.is_empty() || label.len() > 63) {
        return None;
    }
    Name::from_labels(&mut labels).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ordinary_names_are_taken_with_and_without_a_final_dot() {
        for host in
            [&b"example.org"[..], b"example.org.", b"EXAMPLE.org", b"a", b"_dmarc.x", b"\xc3\xa9.example"]
        {
            assert!(parse(host).is_some_and(|name| name.is_fqdn()), "{host:?}");
        }
        assert_eq!(parse(b"a.b"), parse(b"a.b."));
    }

    #[test]
    fn what_no_question_can_carry_is_refused() {
        let long_label = [b'a'; 64];
        let long_name = b"abcdefghi.".repeat(26);
        for host in [&b""[..], b".", b"..", b"a..b", b".a", b"a b", b"a\nb", b"a\0", &long_label, &long_name]
        {
            assert_eq!(parse(host), None, "{host:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn any_bytes_are_a_name_or_refused(host in proptest::collection::vec(any::<u8>(), 0..400)) {
            if let Some(name) = parse(&host) {
                prop_assert!(name.is_fqdn());
                prop_assert!(name.len() <= 255);
            }
        }
    }
}
