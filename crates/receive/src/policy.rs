//! What the administrator decided, as values: shared by all sessions that start under it.

use crate::checks::Checks;
use crate::limits::{Limits, MESSAGE_MAX_BYTES};
use crate::rcpthosts::RecipientHosts;
use smtp::path::Path;
use std::collections::HashSet;
use std::net::IpAddr;
use std::time::Duration;

/// Which EHLO keywords are offered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extensions {
    /// What qmail-smtpd offers: PIPELINING, 8BITMIME; and SIZE where databytes sets a limit.
    Classic,
    /// PIPELINING, 8BITMIME, SIZE and ENHANCEDSTATUSCODES, whose codes then stand in front of replies.
    Full,
}

/// The control files that a session needs, read.
#[derive(Debug)]
pub struct Policy {
    /// control/smtpgreeting: follows 220, 221 and 250.
    pub greeting: Vec<u8>,
    /// control/localiphost: takes the place of our own addresses in brackets.
    pub local_ip_host: Option<Vec<u8>>,
    /// Our own addresses.
    pub own_addresses: Vec<IpAddr>,
    /// control/timeoutsmtpd: for each read and each write.
    pub timeout: Duration,
    /// control/rcpthosts and its database.
    pub recipient_hosts: RecipientHosts,
    /// control/badmailfrom, lower-case.
    pub bad_senders: HashSet<Vec<u8>>,
    /// control/databytes; 0 is no limit.
    pub databytes: u64,
    /// control/smtpextensions.
    pub extensions: Extensions,
    /// Refusals are noted for the log.
    pub notes_refusals: bool,
    /// What else is checked.
    pub checks: Checks,
    /// The limits of a session.
    pub limits: Limits,
}

impl Policy {
    /// control/badmailfrom: the whole address, or `@` and its domain.
    pub fn is_bad_sender(&self, sender: &Path) -> bool {
        if self.bad_senders.is_empty() {
            return false;
        }
        let address = sender.as_bytes().to_ascii_lowercase();
        let at_domain = memchr::memrchr(b'@', &address).and_then(|at| address.get(at..));
        self.bad_senders.contains(&address) || at_domain.is_some_and(|at| self.bad_senders.contains(at))
    }

    /// Names one of our own addresses in brackets by control/localiphost.
    pub fn localize(&self, path: Path) -> Path {
        let is_ours = |domain| {
            smtp::path::address_literal(domain).is_some_and(|address| self.own_addresses.contains(&address))
        };
        match &self.local_ip_host {
            Some(host) if path.domain().is_some_and(is_ours) => path.at_host(host),
            _ => path,
        }
    }

    /// The largest message, in bytes as stored.
    pub fn message_limit(&self, databytes: u64) -> u64 {
        if databytes == 0 { MESSAGE_MAX_BYTES } else { databytes.min(MESSAGE_MAX_BYTES) }
    }
}
