//! From a mail domain to the addresses to try, in order (RFC 5321 §5.1, RFC 7505).
//!
//! Everything here is judgement over answers that are already there; the questions are asked in
//! [`crate::resolver`].

use std::net::IpAddr;

use crate::{Lookup, Random};

/// Exchangers looked at for one domain; the best preferences are kept.
///
/// Real domains have one to a dozen. The limit keeps a hostile zone from making us ask for
/// thousands of names.
pub const MOST_EXCHANGERS: usize = 32;

/// Addresses kept for one host name.
pub const MOST_ADDRESSES_PER_HOST: usize = 16;

/// Addresses handed to the caller for one domain.
pub const MOST_CANDIDATES: usize = 64;

/// An address that takes mail for the domain, with the preference of its exchanger (lower is better).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Preference of the MX record; 0 where the domain has none and its own address is used.
    pub preference: u16,
    /// Where to connect.
    pub address: IpAddr,
}

/// Who takes mail for a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailHosts {
    /// Try these, best first. Never empty.
    Found(Vec<Candidate>),
    /// There is neither an MX record nor an address (permanent, `#5.1.2`).
    NoSuchHost,
    /// There are MX records, but none leads to an address (permanent, `#5.4.4`).
    NoAddress,
    /// The domain says that it takes no mail (RFC 7505; permanent, `#5.1.10`).
    NullExchanger,
    /// Cannot be known now (temporary, `#4.1.2`).
    Unavailable,
}

/// A domain's MX records as far as we use them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exchangers<N> {
    /// Preference and host name; best preferences first, at most [`MOST_EXCHANGERS`]. Never empty.
    Hosts(Vec<(u16, N)>),
    /// The only exchanger is the root name: the null MX of RFC 7505.
    Null,
}

/// Keeps what is usable of a domain's MX records.
///
/// A root name among other exchangers is a mistake of the zone's owner and is passed over.
pub fn choose_exchangers<N>(
    records: impl IntoIterator<Item = (u16, N)>,
    is_root: impl Fn(&N) -> bool,
) -> Lookup<Exchangers<N>> {
    let (null, mut hosts): (Vec<_>, Vec<_>) = records.into_iter().partition(|(_, name)| is_root(name));
    if hosts.is_empty() {
        return if null.is_empty() { Lookup::Absent } else { Lookup::Found(Exchangers::Null) };
    }
    hosts.sort_by_key(|(preference, _)| *preference);
    hosts.truncate(MOST_EXCHANGERS);
    Lookup::Found(Exchangers::Hosts(hosts))
}

/// One answer from the two address families of a host.
///
/// A family that cannot be had now is no reason to wait when the other has addresses.
pub fn join_families(four: Lookup<Vec<IpAddr>>, six: Lookup<Vec<IpAddr>>) -> Lookup<Vec<IpAddr>> {
    let unavailable = four == Lookup::Unavailable || six == Lookup::Unavailable;
    let mut addresses = Vec::new();
    for family in [four, six] {
        if let Lookup::Found(found) = family {
            addresses.extend(found.into_iter().map(|address| address.to_canonical()));
        }
    }
    addresses.truncate(MOST_ADDRESSES_PER_HOST);
    match (addresses.is_empty(), unavailable) {
        (false, _) => Lookup::Found(addresses),
        (true, true) => Lookup::Unavailable,
        (true, false) => Lookup::Absent,
    }
}

/// The candidates behind exchangers whose addresses have been looked up.
///
/// Soft failures of some names are tolerated if another gives an address.
pub fn gather(hosts: Vec<(u16, Lookup<Vec<IpAddr>>)>, random: &mut Random) -> MailHosts {
    let mut candidates = Vec::new();
    let mut unavailable = false;
    for (preference, answer) in hosts {
        match answer {
            Lookup::Found(addresses) => {
                candidates.extend(addresses.into_iter().map(|address| Candidate { preference, address }));
            }
            Lookup::Absent => {}
            Lookup::Unavailable => unavailable = true,
        }
    }
    match (candidates.is_empty(), unavailable) {
        (true, true) => MailHosts::Unavailable,
        (true, false) => MailHosts::NoAddress,
        (false, _) => MailHosts::Found(ordered(candidates, random)),
    }
}

/// By preference, in random order where that is equal; an address is kept once, at its best.
pub fn ordered(candidates: Vec<Candidate>, random: &mut Random) -> Vec<Candidate> {
    let mut keyed: Vec<_> = candidates.into_iter().map(|candidate| (random.draw(), candidate)).collect();
    keyed.sort_by_key(|(key, candidate)| (candidate.preference, *key));
    let mut kept: Vec<Candidate> = Vec::with_capacity(keyed.len().min(MOST_CANDIDATES));
    for (_, candidate) in keyed {
        if kept.len() == MOST_CANDIDATES {
            break;
        }
        if kept.iter().all(|other| other.address != candidate.address) {
            kept.push(candidate);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    fn address(last: u8) -> IpAddr {
        Ipv4Addr::new(192, 0, 2, last).into()
    }

    #[test]
    fn a_lone_root_exchanger_means_no_mail_and_one_among_others_means_nothing() {
        let choose =
            |records: &[(u16, &'static str)]| choose_exchangers(records.to_vec(), |name| name.is_empty());
        assert_eq!(choose(&[(0, "")]), Lookup::Found(Exchangers::Null));
        assert_eq!(choose(&[(0, ""), (10, "m")]), Lookup::Found(Exchangers::Hosts(vec![(10, "m")])));
        assert_eq!(choose(&[]), Lookup::Absent);
    }

    #[test]
    fn the_best_preferences_survive_an_absurd_count() {
        let records: Vec<_> = (0..5000u16).rev().map(|n| (n, n)).collect();
        let Lookup::Found(Exchangers::Hosts(hosts)) = choose_exchangers(records, |_| false) else { panic!() };
        assert_eq!(hosts.len(), MOST_EXCHANGERS);
        assert_eq!(hosts[0].0, 0);
        assert_eq!(hosts[MOST_EXCHANGERS - 1].0 as usize, MOST_EXCHANGERS - 1);
    }

    #[test]
    fn one_family_is_enough_and_a_soft_failure_is_never_taken_for_absence() {
        use Lookup::*;
        let found = || Found(vec![address(1)]);
        for (four, six, joined) in [
            (found(), Absent, found()),
            (found(), Unavailable, found()),
            (Absent, found(), found()),
            (Absent, Unavailable, Unavailable),
            (Unavailable, Absent, Unavailable),
            (Absent, Absent, Absent),
        ] {
            assert_eq!(join_families(four, six), joined);
        }
    }

    #[test]
    fn an_exchanger_that_cannot_be_looked_up_does_not_hide_another() {
        let mut random = Random::seeded(1);
        let good = (20, Lookup::Found(vec![address(2)]));
        assert_eq!(
            gather(vec![(10, Lookup::Unavailable), good], &mut random),
            MailHosts::Found(vec![Candidate { preference: 20, address: address(2) }])
        );
        assert_eq!(gather(vec![(10, Lookup::Unavailable)], &mut random), MailHosts::Unavailable);
        assert_eq!(gather(vec![(10, Lookup::Absent)], &mut random), MailHosts::NoAddress);
    }

    #[test]
    fn equal_preferences_take_turns() {
        let mut random = Random::seeded(7);
        let both = || vec![(10, Lookup::Found(vec![address(1)])), (10, Lookup::Found(vec![address(2)]))];
        let first = |hosts| match hosts {
            MailHosts::Found(list) => list[0].address,
            other => panic!("{other:?}"),
        };
        let firsts: Vec<_> = (0..64).map(|_| first(gather(both(), &mut random))).collect();
        assert!(firsts.contains(&address(1)) && firsts.contains(&address(2)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn order_is_bounded_sorted_and_without_repetition(
            raw in proptest::collection::vec((0u16..8, 0u8..40), 0..300), seed in any::<u64>()
        ) {
            let candidates: Vec<_> = raw.iter().map(|&(preference, last)| Candidate { preference, address: address(last) }).collect();
            let kept = ordered(candidates.clone(), &mut Random::seeded(seed));
            prop_assert!(kept.len() <= MOST_CANDIDATES);
            prop_assert!(kept.windows(2).all(|pair| pair[0].preference <= pair[1].preference));
            for one in &kept {
                prop_assert!(candidates.contains(one));
                prop_assert_eq!(kept.iter().filter(|other| other.address == one.address).count(), 1);
            }
        }
    }
}
