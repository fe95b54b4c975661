//! What else is checked about a HELO name, a sender, a recipient: the files of the well-known patches (contract 16.1). None
//! of it is on without its file or its variable.

use crate::client::Client;
use crate::mailboxes::{Mailboxes, When};
use crate::patterns::Patterns;
use crate::valid_recipients::ValidRecipients;
use std::time::Duration;

/// The control files, read.
#[derive(Debug, Default)]
pub struct Checks {
    /// control/badmailfrom, where control/badmailfromstyle says that its lines are patterns.
    pub senders: Patterns,
    /// control/badmailfromnorelay.
    pub senders_of_strangers: Patterns,
    /// control/badrcptto and its older name, badmailto.
    pub recipients: [Patterns; 2],
    /// control/badrcpttonorelay.
    pub recipients_of_strangers: Patterns,
    /// control/badhelo.
    pub names: Patterns,
    /// control/badhelonorelay.
    pub names_of_strangers: Patterns,
    /// control/rejectrelaytest.
    pub rejects_relay_tests: bool,
    /// control/rejectnullsenders.
    pub rejects_null_senders: bool,
    /// control/brtlimit: 0 is no limit.
    pub bad_recipients_max: u32,
    /// control/tarpitcount: 0 is off.
    pub tarpit_count: u32,
    /// control/tarpitdelay.
    pub tarpit_seconds: u32,
    /// control/greetdelay: 0 is off.
    pub greet_seconds: u32,
    /// control/droppregreet.
    pub drops_early_talkers: bool,
    /// control/validrcptto and its relatives.
    pub valid: ValidRecipients,
    /// control/checkrecipients.
    pub asks_for_mailboxes: When,
    /// Whom to ask; `None` where nobody will.
    pub mailboxes: Option<Mailboxes>,
}

/// A line that refuses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Match<'a> {
    /// The file that holds it.
    pub file: &'static str,
    /// The line.
    pub line: &'a [u8],
}

impl Checks {
    /// The pattern that refuses a sender. The empty one never is.
    pub fn bad_sender(&self, client: &Client, sender: &[u8]) -> Option<Match<'_>> {
        if sender.is_empty() {
            return None;
        }
        let everybody = (!client.overrides.any_sender).then_some((&self.senders, "badmailfrom"));
        let strangers = stranger(client, &self.senders_of_strangers, "badmailfromnorelay");
        first(everybody.into_iter().chain(strangers), sender)
    }

    /// The pattern that refuses a recipient.
    pub fn bad_recipient(&self, client: &Client, recipient: &[u8]) -> Option<Match<'_>> {
        let [newer, older] = &self.recipients;
        let everybody = [(newer, "badrcptto"), (older, "badmailto")];
        let strangers = stranger(client, &self.recipients_of_strangers, "badrcpttonorelay");
        first(everybody.into_iter().chain(strangers), recipient)
    }

    /// The pattern that refuses a HELO name.
    pub fn bad_name(&self, client: &Client, name: &[u8]) -> Option<Match<'_>> {
        if client.overrides.any_helo {
            return None;
        }
        let strangers = stranger(client, &self.names_of_strangers, "badhelonorelay");
        first([(&self.names, "badhelo")].into_iter().chain(strangers), name)
    }

    /// Whether this local part looks like an attempt to get a relay to strip it.
    pub fn is_relay_test(&self, client: &Client, recipient: &[u8]) -> bool {
        let local = memchr::memrchr(b'@', recipient).and_then(|at| recipient.get(..at)).unwrap_or(recipient);
        self.rejects_relay_tests
            && client.relay.is_none()
            && local.iter().any(|b| matches!(b, b'@' | b'%' | b'!'))
    }

    /// Whether the null sender is turned away.
    pub fn rejects_null_sender(&self, client: &Client) -> bool {
        client.overrides.rejects_null_senders.unwrap_or(self.rejects_null_senders)
    }

    /// After how many bad recipients a client is hung up on; 0: never.
    pub fn bad_recipients_max(&self, client: &Client) -> u32 {
        client.overrides.bad_recipients.unwrap_or(self.bad_recipients_max)
    }

    /// How long the answer to a recipient waits, when there have been so many.
    pub fn tarpit(&self, client: &Client, recipients: u32) -> Duration {
        let count = client.overrides.tarpit_count.unwrap_or(self.tarpit_count);
        let seconds = client.overrides.tarpit_seconds.unwrap_or(self.tarpit_seconds).min(DELAY_MAX_SECONDS);
        let is_in_it = count > 0 && recipients > count;
        Duration::from_secs(if is_in_it { seconds.into() } else { 0 })
    }

    /// How long the greeting waits.
    pub fn greet_delay(&self, client: &Client) -> Duration {
        let seconds = client.overrides.greet_seconds.unwrap_or(self.greet_seconds).min(DELAY_MAX_SECONDS);
        Duration::from_secs(if client.relay.is_some() { 0 } else { seconds.into() })
    }

    /// Whether a client that does not wait for the greeting is dropped.
    pub fn drops_early_talker(&self, client: &Client) -> bool {
        client.overrides.drops_early_talkers.unwrap_or(self.drops_early_talkers)
    }

    /// Whether `qmail-lspawn` is asked about this client's recipients.
    pub fn asks_for_mailboxes(&self, client: &Client) -> bool {
        let when = client.overrides.asks_for_mailboxes.unwrap_or(self.asks_for_mailboxes);
        self.mailboxes.is_some()
            && match when {
                When::Never => false,
                When::ForStrangers => client.relay.is_none(),
                When::Always => true,
            }
    }
}

/// The longest delay there is. RFC 5321 §4.5.3.2 lets clients wait for five minutes.
pub const DELAY_MAX_SECONDS: u32 = 240;

fn stranger<'a>(
    client: &Client,
    patterns: &'a Patterns,
    file: &'static str,
) -> Option<(&'a Patterns, &'static str)> {
    client.relay.is_none().then_some((patterns, file))
}

fn first<'a>(lists: impl Iterator<Item = (&'a Patterns, &'static str)>, subject: &[u8]) -> Option<Match<'a>> {
    let mut lists = lists;
    lists.find_map(|(patterns, file)| patterns.refusing(subject).map(|line| Match { file, line }))
}
