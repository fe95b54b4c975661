//! smtproutes and qmtproutes: relays that the administrator has chosen by hand (qmail-control(5)).

use std::collections::HashMap;
use std::net::IpAddr;

use control::Warning;
use control::read::list_lines;

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
    /// A user and a password follow, to log in with.
    pub has_login: bool,
}

/// A line of such a file that cannot be used: the port behind the relay's colon is not 1 to 65535.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "control/{file} line {line}: \"{}\" needs a port from 1 to 65535, or none",
    value.escape_ascii()
)]
pub struct RouteError {
    /// The control file.
    pub file: &'static str,
    /// Line of the file, from 1.
    pub line: usize,
    /// What stands there.
    pub value: Vec<u8>,
}

/// All routes; the last line for a key wins.
#[derive(Clone, Debug)]
pub struct Routes {
    file: &'static str,
    port: u16,
    /// Key in lower case; line and value.
    by_key: HashMap<Vec<u8>, Entry>,
    /// Lines without a colon, up to where a password might begin.
    ignored: Vec<(usize, Vec<u8>)>,
}

/// The value of a line. The login itself is left in the file until something can use it.
#[derive(Clone, Debug)]
struct Entry {
    line: usize,
    value: Vec<u8>,
    has_login: bool,
}

impl Routes {
    /// Takes the bytes of smtproutes.
    pub fn parse(file: &[u8]) -> Self {
        Self::of("smtproutes", SMTP_PORT, file)
    }

    /// Takes the bytes of the control file `name`, whose routes lead to `port` unless they say another.
    ///
    /// A line without a colon says nothing, as in the original. Behind a relay may stand `|user|password`, in other
    /// patched qmails ` user password`.
    pub fn of(name: &'static str, port: u16, file: &[u8]) -> Self {
        let (mut by_key, mut ignored) = (HashMap::new(), Vec::new());
        let numbered = file.split(|&byte| byte == b'\n').zip(1usize..);
        for (entry, number) in
            numbered.flat_map(|(line, number)| list_lines(line).map(move |entry| (entry, number)))
        {
            if let Some(colon) = memchr::memchr(b':', entry) {
                let (key, value) = entry.split_at_checked(colon).unwrap_or((entry, b""));
                let (value, login) = without_login(value.get(1..).unwrap_or_default());
                let has_login = login.iter().any(|byte| !matches!(byte, b'|' | b' ' | b'\t'));
                let entry = Entry { line: number, value: value.to_vec(), has_login };
                by_key.insert(key.to_ascii_lowercase(), entry);
            } else {
                ignored.push((number, without_login(entry).0.to_vec()));
            }
        }
        Self { file: name, port, by_key, ignored }
    }

    /// What is to be said about lines that have no colon.
    pub fn ignored(&self) -> impl Iterator<Item = Warning> {
        self.ignored.iter().map(|(line, value)| Warning {
            file: self.file.to_owned(),
            line: *line,
            value: value.clone(),
            accepted: "domain:relay or domain:relay:port".to_owned(),
            used: "nothing in its place".to_owned(),
        })
    }

    /// The route of the envelope sender `sender`: of the address, else of `@domain`, else of the longest `.suffix` of
    /// its domain, else the one with the empty key.
    pub fn find_sender(&self, sender: &[u8]) -> Option<Result<Route, RouteError>> {
        if self.by_key.is_empty() {
            return None;
        }
        let sender = sender.to_ascii_lowercase();
        let at = memchr::memrchr(b'@', &sender).unwrap_or(sender.len());
        let domain = sender.get(at..).unwrap_or_default();
        let dots = memchr::memchr_iter(b'.', domain).filter_map(|dot| domain.get(dot..));
        let mut keys = [sender.as_slice(), domain].into_iter().chain(dots).chain([&b""[..]]);
        keys.find_map(|key| self.by_key.get(key)).map(|entry| self.route(entry))
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
        values.next().map(|entry| self.route(entry))
    }

    fn route(&self, entry: &Entry) -> Result<Route, RouteError> {
        let Entry { line, value, has_login } = entry;
        match decode(value, self.port) {
            Some(route) => Ok(Route { has_login: *has_login, ..route }),
            None => Err(RouteError { file: self.file, line: *line, value: value.clone() }),
        }
    }
}

/// Cuts a value where its login begins; no relay has a bar, a space or a tab in it.
fn without_login(value: &[u8]) -> (&[u8], &[u8]) {
    let end = value.iter().position(|byte| matches!(byte, b'|' | b' ' | b'\t')).unwrap_or(value.len());
    value.split_at_checked(end).unwrap_or((value, b""))
}

/// `relay`, `relay:port`, `[address]:port` or a bare IPv6 address; `None` for a port that is none.
fn decode(value: &[u8], port: u16) -> Option<Route> {
    let whole = |relay: &[u8]| Some(Route { relay: relay.to_vec(), port, has_login: false });
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
    port.filter(|port| *port > 0).map(|port| Route { relay: relay.to_vec(), port, has_login: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn route(relay: &str, port: u16) -> Option<Result<Route, RouteError>> {
        Some(Ok(Route { relay: relay.into(), port, has_login: false }))
    }

    #[test]
    fn the_most_exact_route_wins() {
        let routes =
            Routes::parse(b"a.example:one\n.example:two:2525\nB.c.example:three\n:rest\nnoroute.example:\n");
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
        let routes = Routes::parse(b"a:one\na:two\nb\n");
        assert_eq!(routes.find(b"a"), route("two", 25));
        assert_eq!(routes.find(b"b"), None);
    }

    #[test]
    fn a_wrong_port_is_reported_with_its_line_and_stops_only_its_own_domain() {
        let routes = Routes::parse(b"# comment\n\na:hub:99999\nb:hub\n");
        let error = routes.find(b"a").unwrap().unwrap_err();
        assert_eq!(
            error.to_string(),
            "control/smtproutes line 3: \"hub:99999\" needs a port from 1 to 65535, or none"
        );
        assert_eq!(routes.find(b"b"), route("hub", 25));
    }

    #[test]
    fn a_login_is_seen_and_never_shown() {
        let routes = Routes::parse(
            b"a:hub|joe|secret\nb:hub:587 joe secret\nc:hub:0|joe|secret\nd:hub||\ne|joe|secret\n:[::1]:26|j|s\n",
        );
        let login = |relay: &str, port| Some(Ok(Route { relay: relay.into(), port, has_login: true }));
        assert_eq!(routes.find(b"a"), login("hub", 25));
        assert_eq!(routes.find(b"b"), login("hub", 587));
        assert_eq!(routes.find(b"x"), login("[::1]", 26));
        assert_eq!(routes.find(b"d"), route("hub", 25));
        assert!(!routes.find(b"c").unwrap().unwrap_err().to_string().contains("secret"));
        assert!(!format!("{routes:?}").contains("secret"));
        let told: Vec<_> = routes.ignored().map(|warning| (warning.line, warning.value)).collect();
        assert_eq!(told, [(5, b"e".to_vec())]);
    }

    #[test]
    fn a_senders_route_is_that_of_its_address_before_its_domain() {
        let routes = Routes::parse(b"Joe@a.example:one\n@a.example:two\n.example:three\n:four\n");
        for (sender, want) in [
            ("joe@A.example", "one"),
            ("ann@a.example", "two"),
            ("ann@b.example", "three"),
            ("ann@other", "four"),
            ("", "four"),
        ] {
            assert_eq!(routes.find_sender(sender.as_bytes()), route(want, 25), "{sender}");
        }
    }

    #[test]
    fn relays_are_names_or_addresses_with_or_without_a_port() {
        for (value, want) in [
            ("hub", Some(("hub", 25))),
            ("hub:", Some(("hub", 25))),
            ("hub:26x", Some(("hub", 26))),
            ("127.0.0.1:2599", Some(("127.0.0.1", 2599))),
            ("[127.0.0.1]:2599", Some(("[127.0.0.1]", 2599))),
            ("[2001:db8::1]:2525", Some(("[2001:db8::1]", 2525))),
            ("[2001:db8::1]", Some(("[2001:db8::1]", 25))),
            ("2001:db8::1", Some(("2001:db8::1", 25))),
            ("hub:0", None),
            ("hub:65536", None),
            ("hub:99999999999999999999999", None),
        ] {
            let want = want.map(|(relay, port)| Route { relay: relay.into(), port, has_login: false });
            assert_eq!(decode(value.as_bytes(), 25), want, "{value}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn any_lines_and_any_host_give_an_answer(
            file in proptest::collection::vec(prop_oneof![Just(b':'), Just(b'\n'), Just(b'['), any::<u8>()], 0..80),
            host in proptest::collection::vec(any::<u8>(), 0..30),
        ) {
            let _ = Routes::parse(&file).find(&host);
            let _ = Routes::parse(&file).find_sender(&host);
        }
    }
}
