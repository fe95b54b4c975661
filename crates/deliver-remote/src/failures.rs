//! Addresses and ports that did not take connections lately: what a worker remembers beside the time-out table (D18).
//!
//! The table on disk has the 64 places of the original and knows time-outs only. This memory has more places, and knows
//! hosts that refuse or cannot be reached as well. It lives as long as its worker, which is as long as there is mail
//! for other hosts: where there is little, another attempt costs little. Nothing depends on it but speed, and
//! qmail-tcpok(8) empties it together with the table.

use crate::tcpto::{ENOUGH, GRACE_SECONDS};
use std::collections::HashMap;
use std::net::SocketAddr;

/// Addresses remembered; beyond that the one that failed longest ago is forgotten.
const MOST_ADDRESSES: usize = 4096;
/// How long a host that refuses or cannot be reached is left alone: it costs less than a silent one, and is more likely
/// to be back soon.
const REFUSED_SECONDS: u32 = 300;

/// How a connection failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No answer in time.
    TimedOut,
    /// Refused, or the host cannot be reached.
    Refused,
}

/// What is known of addresses. Times are seconds since 1970, modulo 2^32.
#[derive(Debug)]
pub struct Failures {
    by_address: HashMap<SocketAddr, Known>,
    silent_seconds: u32,
}

#[derive(Debug)]
struct Known {
    failure: Failure,
    count: u8,
    when: u32,
}

impl Failures {
    /// Knows nothing; a silent host is left alone for `silent_seconds`.
    pub fn new(silent_seconds: u32) -> Self {
        Self { by_address: HashMap::new(), silent_seconds }
    }

    /// Since when `address` is not to be tried at `now`; `None` if it may be.
    pub fn avoided_since(&self, address: SocketAddr, now: u32) -> Option<u32> {
        let known = self.by_address.get(&address)?;
        let limit = match known.failure {
            Failure::TimedOut => self.silent_seconds,
            Failure::Refused => REFUSED_SECONDS,
        };
        (known.count >= ENOUGH && now.wrapping_sub(known.when) < limit).then_some(known.when)
    }

    /// An attempt at `now` failed.
    pub fn failed(&mut self, address: SocketAddr, failure: Failure, now: u32) {
        if !self.by_address.contains_key(&address) && self.by_address.len() >= MOST_ADDRESSES {
            let age = |known: &Known| now.wrapping_sub(known.when);
            let oldest =
                self.by_address.iter().max_by_key(|(_, known)| age(known)).map(|(address, _)| *address);
            oldest.and_then(|oldest| self.by_address.remove(&oldest));
        }
        let known = self.by_address.entry(address).or_insert(Known { failure, count: 0, when: now });
        known.failure = failure;
        if known.count == 0 || now.wrapping_sub(known.when) >= GRACE_SECONDS {
            known.count = known.count.saturating_add(1);
            known.when = now;
        }
    }

    /// It has answered, or is to be forgotten for another reason.
    pub fn forget(&mut self, address: SocketAddr) {
        self.by_address.remove(&address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u32 = 1_800_000_000;

    #[test]
    fn two_failures_apart_make_an_address_avoided_for_as_long_as_it_deserves() {
        for (failure, limit) in [(Failure::Refused, REFUSED_SECONDS), (Failure::TimedOut, 3840)] {
            for now in [NOW, u32::MAX - 60] {
                let (mut failures, address) = (Failures::new(3840), SocketAddr::from(([192, 0, 2, 7], 25)));
                let later = |seconds| now.wrapping_add(seconds);
                failures.failed(address, failure, now);
                failures.failed(address, failure, later(119));
                assert_eq!(failures.avoided_since(address, later(119)), None, "too close to count twice");
                failures.failed(address, failure, later(120));
                assert_eq!(failures.avoided_since(address, later(119 + limit)), Some(later(120)));
                assert_eq!(failures.avoided_since(address, later(120 + limit)), None);
                failures.forget(address);
                assert_eq!(failures.avoided_since(address, later(121)), None);
            }
        }
    }

    #[test]
    fn a_full_memory_forgets_what_failed_longest_ago() {
        let mut failures = Failures::new(3840);
        let address = |n: usize| SocketAddr::from((u32::try_from(n).unwrap().to_be_bytes(), 25));
        let at = |n: usize| NOW + u32::try_from(n).unwrap();
        for n in 0..=MOST_ADDRESSES {
            failures.failed(address(n), Failure::Refused, at(n));
        }
        assert_eq!(failures.by_address.len(), MOST_ADDRESSES);
        assert!(!failures.by_address.contains_key(&address(0)));
        assert!(failures.by_address.contains_key(&address(1)));
    }
}
