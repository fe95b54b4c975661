//! Where a recipient goes: the rewriting that qmail-send does once, before anything is delivered (contract 3.4).

use contracts::Channel;
use std::collections::{HashMap, HashSet};

/// Names compared without regard to ASCII case: the key is lower-cased when it is put in.
#[derive(Clone, Default, Debug)]
pub struct Names(HashSet<Vec<u8>>);

impl Names {
    /// True if `name` is listed, in any case.
    pub fn contains(&self, name: &[u8]) -> bool {
        self.0.contains(&name.to_ascii_lowercase())
    }
}

impl<'a> FromIterator<&'a [u8]> for Names {
    fn from_iter<I: IntoIterator<Item = &'a [u8]>>(lines: I) -> Self {
        Self(lines.into_iter().map(<[u8]>::to_ascii_lowercase).collect())
    }
}

/// `key:value` lines: the key ends at the first colon, lines without one do not count, the last of several equal
/// keys wins.
#[derive(Clone, Default, Debug)]
pub struct Map(HashMap<Vec<u8>, Vec<u8>>);

impl Map {
    /// The value of `key`, in any case.
    pub fn look_up(&self, key: &[u8]) -> Option<&[u8]> {
        self.0.get(&key.to_ascii_lowercase()).map(Vec::as_slice)
    }

    /// The value for a domain: its own, else that of its longest listed `.suffix`, else that of the empty key.
    pub fn look_up_domain(&self, domain: &[u8]) -> Option<&[u8]> {
        suffixes(domain).find_map(|key| self.look_up(key))
    }
}

impl<'a> FromIterator<&'a [u8]> for Map {
    fn from_iter<I: IntoIterator<Item = &'a [u8]>>(lines: I) -> Self {
        let entry = |line: &[u8]| {
            let colon = memchr::memchr(b':', line)?;
            Some((line.get(..colon)?.to_ascii_lowercase(), line.get(colon.checked_add(1)?..)?.to_vec()))
        };
        Self(lines.into_iter().filter_map(entry).collect())
    }
}

/// The keys under which a domain is looked up: itself, each suffix that begins with a dot, long to short, and the
/// empty key.
pub fn suffixes(domain: &[u8]) -> impl Iterator<Item = &[u8]> {
    let dots = domain.iter().enumerate().skip(1).filter(|(_, b)| **b == b'.').map(|(i, _)| i);
    std::iter::once(domain)
        .chain(dots.filter_map(move |i| domain.get(i..)))
        .chain((!domain.is_empty()).then_some(&b""[..]))
}

/// What decides where a recipient goes: control/locals, virtualdomains, percenthack, envnoathost.
#[derive(Clone, Default, Debug)]
pub struct Routing {
    /// Domains delivered on this host.
    pub locals: Names,
    /// `user@domain`, `domain`, `.suffix` or nothing, to a prefix.
    pub virtual_domains: Map,
    /// Domains in which `user%host` means `user@host`.
    pub percent_hack: Names,
    /// The domain of recipients that have none.
    pub default_host: Vec<u8>,
}

impl Routing {
    /// The channel of a recipient, and the address as it is put on that channel.
    pub fn route(&self, recipient: &[u8]) -> (Channel, Vec<u8>) {
        let mut address = recipient.to_vec();
        if !address.contains(&b'@') {
            address.push(b'@');
            address.extend_from_slice(&self.default_host);
        }
        self.undo_percent_hack(&mut address);
        let domain = crate::split(&address).map(|(_, domain)| domain).unwrap_or_default();
        if self.locals.contains(domain) {
            return (Channel::Local, address);
        }
        let whole = self.virtual_domains.look_up(&address);
        match whole.or_else(|| self.virtual_domains.look_up_domain(domain)) {
            None | Some(b"") => (Channel::Remote, address),
            Some(prefix) => (Channel::Local, [prefix, b"-", &address].concat()),
        }
    }

    /// The recipient as its sender knows it, for a bounce: without a prefix that virtualdomains gave it for its
    /// domain. Prefixes of `user@domain` entries stay, as they do in the original.
    pub fn without_virtual_prefix<'a>(&self, recipient: &'a [u8]) -> &'a [u8] {
        let stripped = || {
            let (_, domain) = crate::split(recipient)?;
            if self.locals.contains(domain) {
                return None;
            }
            let prefix = self.virtual_domains.look_up_domain(domain)?;
            recipient.strip_prefix(prefix)?.strip_prefix(b"-")
        };
        stripped().unwrap_or(recipient)
    }

    fn undo_percent_hack(&self, address: &mut Vec<u8>) {
        while let Some((local, domain)) = crate::split(address) {
            let Some(percent) = memchr::memrchr(b'%', local).filter(|_| self.percent_hack.contains(domain))
            else {
                return;
            };
            address.truncate(local.len());
            if let Some(byte) = address.get_mut(percent) {
                *byte = b'@';
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines<T: FromIterator<&'static [u8]>>(text: &'static str) -> T {
        text.lines().map(str::as_bytes).collect()
    }

    fn routing() -> Routing {
        Routing {
            locals: lines("local.example\nHost.Example"),
            virtual_domains: lines(
                "u@virt.example:who\nvirt.example:joe-vd\n.sub.example:ann\noff.example:\nno colon",
            ),
            percent_hack: lines("hack.example"),
            default_host: b"host.example".to_vec(),
        }
    }

    #[test]
    fn recipients_and_where_they_go() {
        use Channel::{Local, Remote};
        for (recipient, want) in [
            ("joe", (Local, "joe@host.example")),
            ("Joe@LOCAL.example", (Local, "Joe@LOCAL.example")),
            ("x@virt.example", (Local, "joe-vd-x@virt.example")),
            ("U@Virt.example", (Local, "who-U@Virt.example")),
            ("a@b.sub.example", (Local, "ann-a@b.sub.example")),
            ("a@c.b.sub.example", (Local, "ann-a@c.b.sub.example")),
            ("a@sub.example", (Remote, "a@sub.example")),
            ("a@off.example", (Remote, "a@off.example")),
            ("a@far.example", (Remote, "a@far.example")),
            ("a%b%local.example@hack.example", (Local, "a%b@local.example")),
            ("a@hack.example", (Remote, "a@hack.example")),
            ("%@hack.example", (Remote, "@")),
            ("@local.example", (Local, "@local.example")),
        ] {
            let got = routing().route(recipient.as_bytes());
            assert_eq!((got.0, String::from_utf8_lossy(&got.1).as_ref()), want, "{recipient}");
        }
    }

    #[test]
    fn the_empty_key_takes_every_other_domain() {
        let all = Routing { virtual_domains: lines(":joe-all"), ..routing() };
        assert_eq!(all.route(b"a@far.example"), (Channel::Local, b"joe-all-a@far.example".to_vec()));
        assert_eq!(all.route(b"a@"), (Channel::Local, b"joe-all-a@".to_vec()));
    }

    #[test]
    fn bounces_name_the_address_that_the_sender_knows() {
        let r = routing();
        assert_eq!(r.without_virtual_prefix(b"joe-vd-x@virt.example"), b"x@virt.example");
        assert_eq!(r.without_virtual_prefix(b"who-u@virt.example"), b"who-u@virt.example");
        assert_eq!(r.without_virtual_prefix(b"Joe-vd-x@virt.example"), b"Joe-vd-x@virt.example");
        assert_eq!(r.without_virtual_prefix(b"x@local.example"), b"x@local.example");
        assert_eq!(r.without_virtual_prefix(b"x"), b"x");
    }

    proptest! {
        #[test]
        fn every_recipient_has_a_channel_and_a_domain(recipient in proptest::collection::vec(1u8.., 0..60)) {
            let (_, address) = routing().route(&recipient);
            prop_assert!(address.contains(&b'@'));
        }
    }
}
