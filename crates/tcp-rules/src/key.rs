//! Which rules are looked for, in order: the most exact first, as tcprules(1) has it.

use crate::network::Network;
use std::net::IpAddr;

/// Who connects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Question<'q> {
    /// TCPREMOTEIP.
    pub address: IpAddr,
    /// TCPREMOTEHOST, lower-case, if it is known.
    pub host: Option<&'q [u8]>,
    /// TCPREMOTEINFO, if it is known.
    pub info: Option<&'q [u8]>,
}

/// What a rule may be found under.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Key {
    /// The text before the colon.
    Text(Vec<u8>),
    /// A range of addresses.
    Range(Network),
}

impl Question<'_> {
    /// The keys, the most exact first: `info@address`, `info@=host`, `address`, `=host`, shorter and shorter parts of the
    /// address, ranges, `=.` and shorter and shorter parts of the host, `=` for any host with a name, nothing at all.
    pub(crate) fn keys(self) -> impl Iterator<Item = Key> {
        let address = self.address.to_canonical().to_string().into_bytes();
        let named = |host: &[u8]| [b"=", host].concat();
        let mut texts = Vec::new();
        if let Some(info) = self.info {
            texts.push([info, b"@", &address].concat());
            texts.extend(self.host.map(|host| [info, b"@", &named(host)].concat()));
        }
        texts.push(address.clone());
        texts.extend(self.host.map(named));
        let parts = (0..address.len()).rev();
        texts.extend(parts.filter_map(|end| {
            let part = address.get(..=end)?;
            matches!(part.last(), Some(b'.' | b':')).then(|| part.to_vec())
        }));
        let ranges = Network::all_around(self.address).map(Key::Range);
        let mut last = Vec::new();
        if let Some(host) = self.host {
            let dots = (0..host.len()).filter(|&at| host.get(at) == Some(&b'.'));
            last.extend(dots.filter_map(|at| host.get(at..)).map(named));
            last.push(b"=".to_vec());
        }
        last.push(Vec::new());
        texts.into_iter().map(Key::Text).chain(ranges).chain(last.into_iter().map(Key::Text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(question: Question<'_>) -> Vec<String> {
        let text = |key| match key {
            Key::Text(text) => Some(String::from_utf8(text).unwrap()),
            Key::Range(_) => None,
        };
        question.keys().filter_map(text).collect()
    }

    #[test]
    fn the_most_exact_rule_comes_first() {
        let mut question = Question { address: "192.0.2.7".parse().unwrap(), host: None, info: None };
        assert_eq!(texts(question), ["192.0.2.7", "192.0.2.", "192.0.", "192.", ""]);
        question.host = Some(b"a.b.example");
        question.info = Some(b"joe");
        let wanted = [
            "joe@192.0.2.7",
            "joe@=a.b.example",
            "192.0.2.7",
            "=a.b.example",
            "192.0.2.",
            "192.0.",
            "192.",
            "=.b.example",
            "=.example",
            "=",
            "",
        ];
        assert_eq!(texts(question), wanted);
    }

    #[test]
    fn ipv6_addresses_are_looked_for_in_their_short_form() {
        let question = Question { address: "2001:0DB8::1".parse().unwrap(), host: None, info: None };
        assert_eq!(texts(question), ["2001:db8::1", "2001:db8::", "2001:db8:", "2001:", ""]);
        let mapped = Question { address: "::ffff:192.0.2.7".parse().unwrap(), host: None, info: None };
        assert_eq!(texts(mapped).first().map(String::as_str), Some("192.0.2.7"));
    }
}
