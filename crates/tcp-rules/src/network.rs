//! A range of addresses, `address/bits` (CIDR), or one address.

use std::net::IpAddr;

/// The first `bits` bits of an address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Network {
    is_four: bool,
    bits: u32,
    start: u128,
}

impl Network {
    /// The range of that length around an address; `None` if it is longer than the address. An IPv4 address inside an
    /// IPv6 one is taken for what it is.
    pub fn around(address: IpAddr, bits: u32) -> Option<Self> {
        let (is_four, width, number): (bool, u32, u128) = match address.to_canonical() {
            IpAddr::V4(four) => (true, 32, u128::from(u32::from(four))),
            IpAddr::V6(six) => (false, 128, u128::from(six)),
        };
        let unused = width.checked_sub(bits)?;
        let start = number.checked_shr(unused).unwrap_or(0);
        Some(Self { is_four, bits, start })
    }

    /// All ranges around an address, the smallest first.
    pub fn all_around(address: IpAddr) -> impl Iterator<Item = Self> {
        (0..=128).rev().filter_map(move |bits| Self::around(address, bits))
    }

    /// True if `address` is one of these.
    pub fn contains(self, address: IpAddr) -> bool {
        Self::around(address, self.bits) == Some(self)
    }

    /// Reads the notation; `None` if it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once('/') {
            Some((address, bits)) => Self::around(address.parse().ok()?, bits.parse().ok()?),
            None => Self::all_around(text.parse().ok()?).next(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_and_members() {
        let table = [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.1.2.3/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("0.0.0.0/0", "192.0.2.1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("127.0.0.1/32", "::ffff:127.0.0.1", true),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/33", "2001:db8:ffff::1", false),
            ("::/0", "2001:db8::1", true),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "::ffff:127.0.0.1", true),
            ("127.0.0.1", "127.0.0.2", false),
            ("::1", "::1", true),
            ("::1", "::2", false),
        ];
        for (network, address, member) in table {
            let wanted = Network::parse(network).unwrap();
            let address = address.parse().unwrap();
            let found = Network::all_around(address).any(|network| network == wanted);
            assert_eq!((found, wanted.contains(address)), (member, member), "{network} {address}");
        }
        for wrong in
            ["", "10", "10.0.0.0/33", "::/129", "10.0.0.0/-1", "10.0.0.0/x", "x/8", "/", "name.example"]
        {
            assert_eq!(Network::parse(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_an_answer(text: String) {
            let _ = Network::parse(&text);
        }
    }
}
