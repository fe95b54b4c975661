//! smtproutes: relays that the administrator has chosen by hand (qmail-control(5)).

use std::collections::HashMap;
use std::net::IpAddr;

use crate::literal;

/// The port of SMTP.
pub const SMTP_PORT: u16 = 25;

/// Where one domain goes instead of to its mail exchangers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Host name or address, brackets kept; empty: the mail exchangers as usual.
    pub relay: Vec<u8>,
    /// Port there.
    pub port: u16,
}

/// Why a line of smtproutes cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// What follows the relay's colon is not 1 to 65535.
    #[error("the port must be a number from 1 to 65535")]
    Port,
}

/// All routes; the last line for a key wins.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    by_key: HashMap<Vec<u8>, Vec<u8>>,
}

impl Routes {
    /// Takes the lines of the file. A line without a colon says nothing, as in the original.
    pub fn parse<L: AsRef<[u8]>>(lines: impl IntoIterator<Item = L>) -> Self {
        let mut by_key = HashMap::new();
        for line in lines {
            let line = line.as_ref();
            if let Some(colon) = memchr::memchr(b':', line) {
                let (key, value) = line.split_at_checked(colon).unwrap_or((line, b""));
                by_key.insert(key.to_ascii_lowercase(), value.get(1..).unwrap_or_default().to_vec());
            }
        }
        Self { by_key }
    }

    /// The route of `host`: its own, else that of its longest suffix that begins with a dot, else the
    /// one with the empty key.
    pub fn find(&self, host: &[u8]) -> Option<Result<Route, RouteError>> {
        if self.by_key.is_empty() {
            return None;
        }
        let host = host.to_ascii_lowercase();
        let suffixes = host.iter().enumerate().filter(|(_, byte)| **byte == b'.').map(|(at, _)| at);
        let keys = std::iter::once(0).chain(suffixes.filter(|at| *at > 0)).chain(std::iter::once(host.len()));
        let mut values = keys.filter_map(|at| self.by_key.get(host.get(at..)?));
        values.next().map(|value| decode(value))
    }
}

/// `relay`, `relay:port`, `[address]:port` or a bare IPv6 address.
fn decode(value: &[u8]) -> Result<Route, RouteError> {
    let whole = |relay: &[u8]| Ok(Route { relay: relay.to_vec(), port: SMTP_PORT });
    // A bare IPv6 address has colons of its own.
    if matches!(literal::parse(value), Some(IpAddr::V6(_))) {
        return whole(value);
    }
    let inside = if value.first() == Some(&b'[') { memchr::memchr(b']', value).unwrap_or(0) } else { 0 };
    let Some(colon) = value.get(inside..).and_then(|rest| memchr::memchr(b':', rest)) else {
        return whole(value);
    };
    let (relay, port) = value.split_at_checked(inside.saturating_add(colon)).unwrap_or((value, b""));
    let digits: Vec<u8> = port.iter().skip(1).copied().take_while(u8::is_ascii_digit).collect();
    if digits.is_empty() {
        return whole(relay); // As in the original: no number, no change.
    }
    let port = std::str::from_utf8(&digits).ok().and_then(|digits| digits.parse().ok());
    match port {
        Some(port) if port > 0 => Ok(Route { relay: relay.to_vec(), port }),
        _ => Err(RouteError::Port),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn route(relay: &str, port: u16) -> Option<Result<Route, RouteError>> {
        Some(Ok(Route { relay: relay.into(), port }))
    }

    #[test]
    fn the_most_exact_route_wins() {
        let routes = Routes::parse([
            "a.example:one",
            ".example:two:2525",
            "B.c.example:three",
            ":rest",
            "noroute.example:",
        ]);
        for (host, want) in [
            ("a.example", route("one", 25)),
            ("A.EXAMPLE", route("one", 25)),
            ("x.a.example", route("two", 2525)),
            ("b.C.example", route("three", 25)),
            ("example", route("rest", 25)),
            ("noroute.example", route("", 25)),
            ("", route("rest", 25)),
        ] {
            assert_eq!(routes.find(host.as_bytes()), want, "{host}");
        }
    }

    #[test]
    fn the_last_line_for_a_key_wins_and_a_line_without_colon_says_nothing() {
        let routes = Routes::parse(["a:one", "a:two", "b"]);
        assert_eq!(routes.find(b"a"), route("two", 25));
        assert_eq!(routes.find(b"b"), None);
    }

    #[test]
    fn relays_are_names_or_addresses_with_or_without_a_port() {
        for (value, want) in [
            ("hub", Ok(("hub", 25))),
            ("hub:", Ok(("hub", 25))),
            ("hub:26x", Ok(("hub", 26))),
            ("127.0.0.1:2599", Ok(("127.0.0.1", 2599))),
            ("[127.0.0.1]:2599", Ok(("[127.0.0.1]", 2599))),
            ("[2001:db8::1]:2525", Ok(("[2001:db8::1]", 2525))),
            ("[2001:db8::1]", Ok(("[2001:db8::1]", 25))),
            ("2001:db8::1", Ok(("2001:db8::1", 25))),
            ("hub:0", Err(RouteError::Port)),
            ("hub:65536", Err(RouteError::Port)),
            ("hub:99999999999999999999999", Err(RouteError::Port)),
        ] {
            let want = want.map(|(relay, port)| Route { relay: relay.into(), port });
            assert_eq!(decode(value.as_bytes()), want, "{value}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn any_lines_and_any_host_give_an_answer(
            lines in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..30), 0..10),
            host in proptest::collection::vec(any::<u8>(), 0..30),
        ) {
            let _ = Routes::parse(lines).find(&host);
        }
    }
}
