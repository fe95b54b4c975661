//! Lists of addresses in the DNS, control/dnsbllist (contract 16.1): who is in one is refused, or let in.
//!
//! ```text
//! zone          refused for now, with the list's own words (TXT)
//! -zone         refused for good
//! +zone         let in, and no further list is asked
//! =zone         only noted in the log
//! zone:text     refused with this text if there is an address; %IP% stands for the client's
//! zone:-text    the same, for good
//! ```

use crate::blocked::Blocked;
use dns::{Lookup, Resolver};
use std::net::IpAddr;
use std::time::Duration;

/// How long one list may take to answer.
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// Said when a list cannot be asked and control/dnsblfailclosed is set.
const CANNOT_ASK: &[u8] = b"temporary RBL lookup error";

/// What being in a list means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Meaning {
    LetIn,
    Noted,
    Refused { for_good: bool },
}

/// One line.
#[derive(Clone, PartialEq, Eq, Debug)]
struct List {
    zone: Vec<u8>,
    meaning: Meaning,
    text: Option<Vec<u8>>,
}

/// All lines, in order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BlockLists {
    lists: Vec<List>,
    fails_closed: bool,
}

impl BlockLists {
    /// From the lines of control/dnsbllist. `fails_closed`: who cannot be looked for is refused for now.
    pub fn parse(lines: &[Vec<u8>], fails_closed: bool) -> Self {
        Self { lists: lines.iter().filter_map(|line| list(line)).collect(), fails_closed }
    }

    /// True if there is nothing to ask.
    pub fn are_none(&self) -> bool {
        self.lists.is_empty()
    }

    /// Looks for a client. `note` hears what was found.
    pub async fn check(
        &self,
        client: IpAddr,
        resolver: &Resolver,
        note: &mut (dyn FnMut(String) + Send),
    ) -> Option<Blocked> {
        for list in &self.lists {
            let name = name_in(client, &list.zone);
            let found = match tokio::time::timeout(ANSWER_TIME, words(list, client, &name, resolver)).await {
                Ok(found) => found,
                Err(_) => Lookup::Unavailable,
            };
            let zone = String::from_utf8_lossy(&list.zone);
            match (found, list.meaning) {
                (Lookup::Absent, _) => {}
                (Lookup::Found(_), Meaning::LetIn) => return Some(Blocked::Never),
                (Lookup::Found(text), Meaning::Noted) => {
                    note(format!("is listed in {zone}: {}", text.escape_ascii()));
                }
                (Lookup::Found(text), Meaning::Refused { for_good }) => {
                    note(format!("refused, listed in {zone}: {}", text.escape_ascii()));
                    return Some(Blocked::because(for_good, &text));
                }
                (Lookup::Unavailable, Meaning::Refused { .. }) if self.fails_closed => {
                    note(format!("refused, {zone} cannot be asked"));
                    return Some(Blocked::because(false, CANNOT_ASK));
                }
                (Lookup::Unavailable, _) => {}
            }
        }
        None
    }
}

fn list(line: &[u8]) -> Option<List> {
    let (meaning, rest) = match line.split_first()? {
        (b'+', rest) => (Meaning::LetIn, rest),
        (b'=', rest) => (Meaning::Noted, rest),
        (b'-', rest) => (Meaning::Refused { for_good: true }, rest),
        _ => (Meaning::Refused { for_good: false }, line),
    };
    let (zone, text) = match rest.iter().position(|&byte| byte == b':') {
        Some(at) => (rest.get(..at)?, rest.get(at.saturating_add(1)..)),
        None => (rest, None),
    };
    let (meaning, text) = match (meaning, text.and_then(|text| text.strip_prefix(b"-"))) {
        (Meaning::Refused { .. }, Some(text)) => (Meaning::Refused { for_good: true }, Some(text)),
        _ => (meaning, text),
    };
    let zone = zone.trim_ascii().to_vec();
    (!zone.is_empty()).then(|| List { zone, meaning, text: text.map(<[u8]>::to_vec) })
}

/// The words of a list about a client, if it is in it.
async fn words(list: &List, client: IpAddr, name: &[u8], resolver: &Resolver) -> Lookup<Vec<u8>> {
    let Some(text) = &list.text else { return resolver.text_of(name).await };
    match resolver.addresses(name).await {
        // Anything else is not a list that answers but somebody who has bought its name.
        Lookup::Found(addresses) if addresses.iter().any(IpAddr::is_loopback) => {
            let address = client.to_canonical().to_string();
            Lookup::Found(String::from_utf8_lossy(text).replace("%IP%", &address).into_bytes())
        }
        Lookup::Found(_) | Lookup::Absent => Lookup::Absent,
        Lookup::Unavailable => Lookup::Unavailable,
    }
}

/// `7.2.0.192.zone`; for IPv6 the digits, one a label (RFC 5782 §2.4).
fn name_in(client: IpAddr, zone: &[u8]) -> Vec<u8> {
    let mut name = match client.to_canonical() {
        IpAddr::V4(four) => {
            let [a, b, c, d] = four.octets();
            format!("{d}.{c}.{b}.{a}.")
        }
        IpAddr::V6(six) => {
            let digits = format!("{:032x}", u128::from(six));
            digits.chars().rev().map(|digit| format!("{digit}.")).collect()
        }
    }
    .into_bytes();
    name.extend_from_slice(zone);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_their_meaning() {
        let refused = |for_good| Meaning::Refused { for_good };
        let table = [
            ("bl.example", Some(("bl.example", refused(false), None))),
            ("-bl.example", Some(("bl.example", refused(true), None))),
            ("+wl.example", Some(("wl.example", Meaning::LetIn, None))),
            ("=bl.example", Some(("bl.example", Meaning::Noted, None))),
            ("bl.example:go %IP%", Some(("bl.example", refused(false), Some("go %IP%")))),
            ("bl.example:-go: x", Some(("bl.example", refused(true), Some("go: x")))),
            ("-", None),
            ("", None),
        ];
        for (line, wanted) in table {
            let wanted = wanted.map(|(zone, meaning, text)| List {
                zone: zone.into(),
                meaning,
                text: text.map(Into::into),
            });
            assert_eq!(list(line.as_bytes()), wanted, "{line}");
        }
    }

    #[test]
    fn clients_are_asked_for_backwards() {
        assert_eq!(name_in("192.0.2.7".parse().unwrap(), b"bl.example"), b"7.2.0.192.bl.example");
        let six = name_in("2001:db8::1".parse().unwrap(), b"z");
        assert_eq!(six, [&b"1.0."[..], &b"0.".repeat(22), b"8.b.d.0.1.0.0.2.z"].concat());
    }
}
