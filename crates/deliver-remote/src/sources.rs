//! outgoingip and bindroutes: the address of ours that a connection leaves from, as patched qmails have it.

use std::net::{IpAddr, Ipv4Addr};

use control::read::{first_line, list_lines};

/// A source that is no address. Mail waits: from a wrong address it might be taken for forged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("control/{file}: \"{}\" is not {accepted}", value.escape_ascii())]
pub struct SourceError {
    file: &'static str,
    value: Vec<u8>,
    accepted: &'static str,
}

/// Source addresses by destination.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// control/outgoingip; `None`: the system chooses.
    everywhere: Option<IpAddr>,
    /// control/bindroutes: whole octets of an IPv4 destination, and the source.
    by_prefix: Vec<(Vec<u8>, Ipv4Addr)>,
}

impl Sources {
    /// Takes the bytes of the two files.
    pub fn parse(outgoingip: &[u8], bindroutes: &[u8]) -> Result<Self, SourceError> {
        let line = first_line(outgoingip);
        let everywhere = match parsed::<IpAddr>(line) {
            _ if line.is_empty() => None,
            Some(address) => Some(address).filter(|address| !address.is_unspecified()),
            None => {
                let value = line.to_vec();
                return Err(SourceError { file: "outgoingip", value, accepted: "an IP address" });
            }
        };
        let routes = list_lines(bindroutes).map(|line| {
            bind_route(line).ok_or_else(|| SourceError {
                file: "bindroutes",
                value: line.to_vec(),
                accepted: "prefix:source, as 192.0.2:198.51.100.1",
            })
        });
        Ok(Self { everywhere, by_prefix: routes.collect::<Result<_, _>>()? })
    }

    /// Where a connection to `destination` leaves from: the longest prefix says it, else outgoingip if it is of the
    /// same family, else (`None`) the system.
    pub fn towards(&self, destination: IpAddr) -> Option<IpAddr> {
        let bound = match destination.to_canonical() {
            IpAddr::V4(address) => {
                let octets = address.octets();
                let matching = self.by_prefix.iter().filter(|(prefix, _)| octets.starts_with(prefix));
                // Of equal ones the last counts, as in other lists.
                matching.max_by_key(|(prefix, _)| prefix.len()).map(|&(_, source)| IpAddr::V4(source))
            }
            IpAddr::V6(_) => None,
        };
        match bound {
            Some(source) => Some(source).filter(|source| !source.is_unspecified()),
            None => self.everywhere.filter(|source| source.is_ipv4() == destination.is_ipv4()),
        }
    }
}

/// `192.0.2.7:source`, `192.0.2:source`, `192.0.2.:source`, `:source`.
fn bind_route(line: &[u8]) -> Option<(Vec<u8>, Ipv4Addr)> {
    let (prefix, source) = line.split_at_checked(memchr::memchr(b':', line)?)?;
    let prefix = prefix.strip_suffix(b".").unwrap_or(prefix);
    let octets: Option<Vec<u8>> = match prefix {
        b"" => Some(Vec::new()),
        _ => prefix.split(|&byte| byte == b'.').map(parsed::<u8>).collect(),
    };
    Some((octets.filter(|octets| octets.len() <= 4)?, parsed(source.get(1..)?)?))
}

fn parsed<T: std::str::FromStr>(bytes: &[u8]) -> Option<T> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_longest_prefix_says_where_a_connection_leaves_from() {
        let routes = b"127.0:127.0.0.9\n127.0.0.2:127.0.0.8\n10.:0.0.0.0\n";
        let sources = Sources::parse(b"192.0.2.1\n", routes).unwrap();
        for (destination, want) in [
            ("127.0.0.1", Some("127.0.0.9")),
            ("127.0.0.2", Some("127.0.0.8")),
            ("127.1.0.2", Some("192.0.2.1")),
            ("10.1.2.3", None),
            ("2001:db8::1", None),
        ] {
            let want = want.map(|text| text.parse().unwrap());
            assert_eq!(sources.towards(destination.parse().unwrap()), want, "{destination}");
        }
        let none = Sources::parse(b"0.0.0.0\n", b"").unwrap();
        assert_eq!(none, Sources::default());
    }

    #[test]
    fn what_is_no_address_is_an_error() {
        assert_eq!(
            Sources::parse(b"mx.example\n", b"").unwrap_err().to_string(),
            "control/outgoingip: \"mx.example\" is not an IP address"
        );
        for line in ["127.0.0.1", "300:127.0.0.1", "1.2.3.4.5:127.0.0.1", "1:x", "1:"] {
            assert!(Sources::parse(b"", line.as_bytes()).is_err(), "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_files_give_an_answer(one: Vec<u8>, two: Vec<u8>, address: IpAddr) {
            if let Ok(sources) = Sources::parse(&one, &two) {
                let _ = sources.towards(address);
            }
        }
    }
}
