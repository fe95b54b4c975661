//! From the HOST of a delivery to the addresses to try, or to the result that needs no connection
//! (qmail-remote(8), contract 9.3).

use std::net::{IpAddr, SocketAddr};

use dns::{Candidate, Lookup, MailHosts, Random, Resolver};

use crate::qmtp::QMTP_PORT;
use crate::route::{Route, SMTP_PORT};
use crate::settings::Settings;
use crate::{literal, text};

/// Addresses tried for one delivery; each may take a connect time-out.
pub const MOST_TARGETS: usize = 32;

/// The language of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// SMTP.
    Smtp,
    /// QMTP, by a route or by the preference of the exchanger.
    Qmtp,
}

/// Where to connect, and what to speak there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Address and port.
    pub address: SocketAddr,
    /// The language.
    pub protocol: Protocol,
}

/// Where to connect, best first; or the record that ends the delivery.
pub type Targets = Result<Vec<Target>, Vec<u8>>;

/// Finds them. `own` gives the addresses of this host's interfaces.
///
/// A route with a login leads nowhere as long as there is no way to log in: without it the mail would leave as
/// somebody else's, or be refused for good.
pub async fn find(
    sender: &[u8],
    host: &[u8],
    settings: &Settings,
    resolver: &Resolver,
    random: &mut Random,
    own: impl FnOnce() -> std::io::Result<Vec<IpAddr>>,
) -> Targets {
    match settings.senders.find_sender(sender) {
        Some(Ok(Route { has_login: true, .. })) => return Err(text::no_login("authsenders")),
        Some(Ok(Route { relay, port, .. })) if !relay.is_empty() => {
            return relay_addresses(&relay, port, Protocol::Smtp, resolver, random).await;
        }
        Some(Ok(_)) | None => {}
        Some(Err(error)) => return Err(text::wrong_control(&error)),
    }
    match settings.qmtp_routes.find(host) {
        Some(Ok(Route { has_login: true, .. })) => return Err(text::no_login("qmtproutes")),
        Some(Ok(Route { relay, port, .. })) if !relay.is_empty() => {
            return relay_addresses(&relay, port, Protocol::Qmtp, resolver, random).await;
        }
        // As if there were no line.
        Some(Ok(_)) | None => {}
        Some(Err(error)) => return Err(text::wrong_control(&error)),
    }
    let port = match settings.routes.find(host) {
        Some(Ok(Route { has_login: true, .. })) => return Err(text::no_login("smtproutes")),
        Some(Ok(Route { relay, port, .. })) if !relay.is_empty() => {
            return relay_addresses(&relay, port, Protocol::Smtp, resolver, random).await;
        }
        Some(Ok(Route { port, .. })) => port,
        Some(Err(error)) => return Err(text::wrong_control(&error)),
        None => SMTP_PORT,
    };
    let candidates = match literal::parse(host) {
        Some(address) => vec![Candidate { preference: 0, address }],
        None => match resolver.mail_hosts(host, random).await {
            MailHosts::Found(candidates) => candidates,
            MailHosts::NoSuchHost => return Err(text::no_host(host)),
            MailHosts::NoAddress => return Err(text::NO_ADDRESS.to_vec()),
            MailHosts::NullExchanger => return Err(text::null_exchanger(host)),
            MailHosts::Unavailable => return Err(text::DNS_UNAVAILABLE.to_vec()),
        },
    };
    let own = own().map_err(|_| text::NO_RESOURCES.to_vec())?;
    let better = better_than_us(&candidates, |address| settings.own.contains(address, &own));
    if better.is_empty() {
        return Err(text::OWN_ADDRESS.to_vec());
    }
    let targets = better.into_iter().flat_map(|candidate| {
        let target = |protocol, port| Target { address: SocketAddr::new(candidate.address, port), protocol };
        // Who does not answer there may still speak SMTP.
        let first =
            (settings.mxps && means_qmtp(candidate.preference)).then(|| target(Protocol::Qmtp, QMTP_PORT));
        first.into_iter().chain(std::iter::once(target(Protocol::Smtp, port)))
    });
    Ok(targets.take(MOST_TARGETS).collect())
}

/// MXPS: of the preferences 12800 to 13055, every sixteenth beginning with 12801 says that the exchanger speaks QMTP.
fn means_qmtp(preference: u16) -> bool {
    (12800..=13055).contains(&preference) && preference % 16 == 1
}

/// A relay is meant as it is written: no exchangers, and it may be this host.
async fn relay_addresses(
    relay: &[u8],
    port: u16,
    protocol: Protocol,
    resolver: &Resolver,
    random: &mut Random,
) -> Targets {
    let target = |address| Target { address: SocketAddr::new(address, port), protocol };
    if let Some(address) = literal::parse(relay) {
        return Ok(vec![target(address)]);
    }
    match resolver.addresses(relay).await {
        Lookup::Found(addresses) => {
            let candidates =
                addresses.into_iter().map(|address| Candidate { preference: 0, address }).collect();
            let ordered = dns::mail_hosts::ordered(candidates, random).into_iter().take(MOST_TARGETS);
            Ok(ordered.map(|candidate| target(candidate.address)).collect())
        }
        Lookup::Absent => Err(text::no_host(relay)),
        Lookup::Unavailable => Err(text::DNS_UNAVAILABLE.to_vec()),
    }
}

/// Only addresses with a preference strictly lower than our own best may be tried: else two hosts that
/// are exchangers for each other would play ping-pong (RFC 5321 §5.1).
fn better_than_us(candidates: &[Candidate], is_own: impl Fn(IpAddr) -> bool) -> Vec<Candidate> {
    let ours = candidates.iter().filter(|one| is_own(one.address)).map(|one| one.preference).min();
    let better = |one: &&Candidate| ours.is_none_or(|ours| one.preference < ours);
    candidates.iter().filter(better).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::own_addresses::OwnAddresses;

    #[test]
    fn preferences_that_mean_qmtp() {
        let all: Vec<u16> = (0..=u16::MAX).filter(|preference| means_qmtp(*preference)).collect();
        assert_eq!(all.len(), 16);
        assert_eq!((all.first(), all.get(1), all.last()), (Some(&12801), Some(&12817), Some(&13041)));
    }

    type Row<'a> = (&'a [(u16, &'a str)], &'a [&'a str]);

    #[test]
    fn only_exchangers_better_than_ourselves_are_tried() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let own = [address("127.0.0.1"), address("192.0.2.1"), address("2001:db8::1")];
        let table: &[Row<'_>] = &[
            (&[(10, "198.51.100.1"), (20, "198.51.100.2")], &["198.51.100.1", "198.51.100.2"]),
            (&[(10, "198.51.100.1"), (20, "192.0.2.1"), (30, "198.51.100.3")], &["198.51.100.1"]),
            (&[(10, "198.51.100.1"), (10, "192.0.2.1")], &[]),
            (&[(10, "192.0.2.1"), (20, "198.51.100.1")], &[]),
            (&[(5, "0.0.0.0")], &[]),
            (&[(5, "::")], &[]),
            (&[(5, "198.51.100.1"), (6, "2001:db8::1")], &["198.51.100.1"]),
        ];
        for (candidates, want) in table {
            let candidates: Vec<_> = candidates
                .iter()
                .map(|(preference, text)| Candidate { preference: *preference, address: address(text) })
                .collect();
            let want: Vec<_> = want.iter().map(|text| address(text)).collect();
            let is_own = |address| OwnAddresses::default().contains(address, &own);
            let better: Vec<_> = better_than_us(&candidates, is_own).iter().map(|one| one.address).collect();
            assert_eq!(better, want, "{candidates:?}");
        }
    }
}
