//! Variable envelope return paths: a sender `pre@host-@[]` names each recipient in the bounce address
//! (contract 2, addresses(5)).

const MARK: &[u8] = b"-@[]";

/// The sender that a spawner gets for `recipient`: `pre` + `box` + `=` + `dom` + `@` + `host` where `sender` is
/// `pre@host-@[]` and the recipient is `box@dom`; any other pair leaves the sender as it is.
pub fn expand(sender: &[u8], recipient: &[u8]) -> Vec<u8> {
    let parts = || {
        let (prefix, host) = crate::split(sender.strip_suffix(MARK)?)?;
        let (mailbox, domain) = crate::split(recipient)?;
        Some([prefix, mailbox, b"=", domain, b"@", host].concat())
    };
    parts().unwrap_or_else(|| sender.to_vec())
}

/// The sender as bounces of qmail-send use it: without the mark.
pub fn base(sender: &[u8]) -> &[u8] {
    sender.strip_suffix(MARK).unwrap_or(sender)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senders_expand_for_each_recipient() {
        for (sender, recipient, want) in [
            (
                &b"list-@lists.example-@[]"[..],
                &b"joe@far.example"[..],
                &b"list-joe=far.example@lists.example"[..],
            ),
            (b"a@b@h-@[]", b"x@y@z", b"a@bx@y=z@h"),
            (b"list@lists.example", b"joe@far.example", b"list@lists.example"),
            (b"list-@lists.example-@[]", b"joe", b"list-@lists.example-@[]"),
            (b"nohost-@[]", b"joe@x", b"nohost-@[]"),
            (b"-@[]", b"joe@x", b"-@[]"),
            (b"#@[]", b"joe@x", b"#@[]"),
            (b"", b"joe@x", b""),
        ] {
            assert_eq!(expand(sender, recipient), want, "{sender:?} {recipient:?}");
        }
        assert_eq!(base(b"list-@lists.example-@[]"), b"list-@lists.example");
        assert_eq!(base(b"#@[]"), b"#@[]");
    }
}
