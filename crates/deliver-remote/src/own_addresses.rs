//! moreipme and notipme: which addresses are this host's, beyond those of its interfaces, as patched qmails have it.

use std::net::{IpAddr, Ipv4Addr};

use control::Warning;
use control::read::list_lines;

/// An address with the number of leading bits that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    bits: u32,
}

/// What the two files say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnAddresses {
    more: Vec<Network>,
    not: Vec<Network>,
}

impl OwnAddresses {
    /// Takes the bytes of the two files; lines that are no networks are passed to `warn`.
    pub fn parse(moreipme: &[u8], notipme: &[u8], warn: &mut dyn FnMut(Warning)) -> Self {
        Self { more: networks("moreipme", moreipme, warn), not: networks("notipme", notipme, warn) }
    }

    /// Whether `address` is ours. The longest mask that matches says it; an interface's address has the longest there
    /// is, and where masks are equal notipme wins.
    pub fn contains(&self, address: IpAddr, interfaces: &[IpAddr]) -> bool {
        let interface = interfaces.contains(&address) || address.is_unspecified();
        let whole = interface.then_some(if address.is_ipv4() { 32 } else { 128 });
        let longest = |list: &[Network]| {
            list.iter().filter(|network| network.contains(address)).map(|network| network.bits).max()
        };
        let mine = whole.max(longest(&self.more));
        mine.is_some() && mine > longest(&self.not)
    }
}

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
        // A shift by all bits leaves nothing to compare.
        match (self.address, address) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                let differing = ours.to_bits() ^ theirs.to_bits();
                differing.checked_shr(32u32.saturating_sub(self.bits)).unwrap_or(0) == 0
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                let differing = ours.to_bits() ^ theirs.to_bits();
                differing.checked_shr(128u32.saturating_sub(self.bits)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }

    /// `address`, `address/bits`, `a.b.c.d/mask.mask.mask.mask`.
    fn parse(entry: &[u8]) -> Option<Self> {
        let entry = std::str::from_utf8(entry).ok()?;
        let (address, mask) = entry.split_once('/').map_or((entry, None), |(a, m)| (a, Some(m)));
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match mask {
            None => most,
            Some(mask) => match mask.parse::<Ipv4Addr>() {
                Ok(mask) if address.is_ipv4() => {
                    let ones = mask.to_bits().leading_ones();
                    (ones == mask.to_bits().count_ones()).then_some(ones)?
                }
                _ => mask.parse().ok().filter(|bits| *bits <= most)?,
            },
        };
        Some(Self { address, bits })
    }
}

fn networks(name: &str, file: &[u8], warn: &mut dyn FnMut(Warning)) -> Vec<Network> {
    let mut networks = Vec::new();
    for (line, number) in file.split(|&byte| byte == b'\n').zip(1usize..) {
        for entry in list_lines(line) {
            match Network::parse(entry) {
                Some(network) => networks.push(network),
                None => warn(Warning {
                    file: name.to_owned(),
                    line: number,
                    value: entry.to_vec(),
                    accepted: "an address, address/bits or address/mask".to_owned(),
                    used: "nothing in its place".to_owned(),
                }),
            }
        }
    }
    networks
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_longest_mask_says_what_is_ours() {
        let more = b"198.51.100.0/255.255.255.0\n203.0.113.7\n2001:db8::/32\n";
        let not = b"198.51.100.128/25\n192.0.2.1\n203.0.113.7\n";
        let own = OwnAddresses::parse(more, not, &mut |warning| panic!("{warning}"));
        let interfaces = ["192.0.2.1", "192.0.2.2"].map(|text| text.parse().unwrap());
        for (address, want) in [
            ("192.0.2.1", false),
            ("192.0.2.2", true),
            ("198.51.100.1", true),
            ("198.51.100.200", false),
            ("203.0.113.7", false),
            ("203.0.113.8", false),
            ("2001:db8:1::1", true),
            ("2001:db9::1", false),
            ("0.0.0.0", true),
            ("::", true),
        ] {
            assert_eq!(own.contains(address.parse().unwrap(), &interfaces), want, "{address}");
        }
    }

    #[test]
    fn a_line_that_is_no_network_is_told() {
        let mut told = Vec::new();
        OwnAddresses::parse(b"# mine\nmx.example\n10.0.0.0/255.0.255.0\n1.2.3.4/33\n", b"", &mut |warning| {
            told.push(warning.line);
        });
        assert_eq!(told, [2, 3, 4]);
    }

    proptest! {
        #[test]
        fn any_files_give_an_answer(one: Vec<u8>, two: Vec<u8>, address: IpAddr) {
            let _ = OwnAddresses::parse(&one, &two, &mut |_| ()).contains(address, &[]);
        }
    }
}
