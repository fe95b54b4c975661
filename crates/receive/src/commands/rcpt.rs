//! `RCPT TO:<recipient>` (RFC 5321 §4.1.1.3): one more recipient.
//!
//! Checked in this order: a transaction is open, where the client comes from, syntax, the client's name and the sender,
//! the recipient's own lists, whether we relay, how many there are, the lists of those who exist, and last whether there is
//! a mailbox, which takes a while.

use crate::blocked::Blocked;
use crate::limits::RECIPIENTS_BOUND;
use crate::replies::{self, Reply};
use crate::session::{Ending, Session, State};
use crate::valid_recipients::Listed;
use contracts::recipients::Mailbox;
use smtp::path::{self, PATH_MAX_BYTES, Path};

impl Session {
    pub(crate) fn rcpt(&mut self, argument: &[u8]) {
        let State::Transaction(transaction) = &self.state else {
            return self.say(replies::MAIL_FIRST);
        };
        if let Some(Blocked::Because { for_good, text }) = &self.client.blocked {
            let (code, enhanced) = if *for_good { ("553", "5.7.1") } else { ("451", "4.7.1") };
            self.replies.line(code, enhanced, &[text]);
            return self.count_error();
        }
        let recipient = self.policy.localize(path::parse(argument).0);
        if recipient.has_control_byte() {
            return self.say(replies::CONTROL_BYTE);
        }
        if recipient.as_bytes().len() > PATH_MAX_BYTES {
            return self.say(replies::SYNTAX);
        }
        if let Some(refusal) = transaction.refusal {
            return self.say(refusal);
        }
        let (policy, accepted) = (self.policy.clone(), transaction.recipients());
        if let Some(found) = policy.checks.bad_recipient(&self.client, recipient.as_bytes()) {
            self.note_match(found);
            return self.bad_recipient(replies::DENIED_RECIPIENT);
        }
        if policy.checks.is_relay_test(&self.client, recipient.as_bytes()) {
            return self.bad_recipient(replies::RELAY_TEST);
        }
        let recipient = match self.route(recipient) {
            Ok(Some(recipient)) => recipient,
            Ok(None) => return self.say(replies::NO_RELAYING),
            Err(_) => return self.hang_up(replies::NO_CONTROLS, Ending::HungUp),
        };
        if accepted >= self.recipients_max() {
            return self.say(replies::TOO_MANY_RECIPIENTS);
        }
        let listed = match self.client.relay {
            Some(_) => Ok(Listed::Unknown),
            None => policy.checks.valid.judge(recipient.as_bytes()),
        };
        match listed {
            Ok(Listed::Good) => self.accept(&recipient),
            Ok(Listed::Bad) => self.bad_recipient(replies::NOT_VALID),
            Ok(Listed::Unknown) if policy.checks.asks_for_mailboxes(&self.client) => {
                self.asked = Some(recipient);
            }
            Ok(Listed::Unknown) => self.accept(&recipient),
            Err(_) => self.hang_up(replies::NO_CONTROLS, Ending::HungUp),
        }
    }

    /// The recipient whose mailbox is asked about.
    pub fn asked(&self) -> &[u8] {
        self.asked.as_ref().map(Path::as_bytes).unwrap_or_default()
    }

    /// The answer to [`Action::Ask`](crate::session::Action::Ask). In doubt he is accepted.
    pub fn answered(&mut self, mailbox: Mailbox) {
        let Some(recipient) = self.asked.take() else { return };
        let before = self.replies.pending().len();
        match mailbox {
            Mailbox::Present | Mailbox::Unknown => self.accept(&recipient),
            Mailbox::Absent => self.bad_recipient(replies::NO_MAILBOX),
        }
        self.note(&[b"RCPT TO:<", recipient.as_bytes(), b">"].concat(), before);
    }

    fn accept(&mut self, recipient: &Path) {
        if let State::Transaction(transaction) = &mut self.state {
            transaction.add(recipient);
            self.say(replies::RECIPIENT_OK);
            self.tarpit();
        }
    }

    /// Somebody who is not there, or does not want mail. Whoever tries many of them is guessing.
    fn bad_recipient(&mut self, reply: Reply) {
        self.say(reply);
        self.bad_recipients = self.bad_recipients.saturating_add(1);
        self.tarpit();
        let max = self.policy.checks.bad_recipients_max(&self.client);
        if max > 0 && self.bad_recipients >= max {
            self.hang_up(replies::TOO_MANY_BAD_RECIPIENTS, Ending::HungUp);
        }
    }

    fn tarpit(&mut self) {
        let accepted =
            if let State::Transaction(transaction) = &self.state { transaction.recipients() } else { 0 };
        let recipients = accepted.saturating_add(self.bad_recipients);
        let pause = self.policy.checks.tarpit(&self.client, recipients);
        self.pause = (!pause.is_zero()).then_some(pause);
    }

    fn recipients_max(&self) -> u32 {
        let overrides = &self.client.overrides;
        if overrides.many_recipients {
            return RECIPIENTS_BOUND;
        }
        overrides.recipients.unwrap_or(self.policy.limits.recipients).min(RECIPIENTS_BOUND)
    }

    /// The recipient as it goes into the envelope; `None` if we do not relay to it for this client.
    fn route(&self, recipient: Path) -> Result<Option<Path>, cdb::ReadError> {
        match &self.client.relay {
            Some(suffix) => Ok(recipient.with_suffix(suffix)),
            None => Ok(self.policy.recipient_hosts.allow(recipient.domain())?.then_some(recipient)),
        }
    }
}
