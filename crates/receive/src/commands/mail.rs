//! `MAIL FROM:<sender> parameters` (RFC 5321 §4.1.1.2): begins a transaction and forgets an earlier one.
//!
//! A sender in badmailfrom, or a client whose name is in badhelo, is accepted here and refused at RCPT, so that the refusal names each recipient in the
//! sender's log. A declared SIZE above the limit is refused at once (RFC 1870 §6.1).

use crate::replies::{self, Reply};
use crate::session::{Ending, Session, State};
use crate::transaction::Transaction;
use smtp::parameters::MailParameters;
use smtp::path::{self, PATH_MAX_BYTES, Path};

impl Session {
    pub(crate) fn mail(&mut self, argument: &[u8]) {
        let (sender, rest) = path::parse(argument);
        let sender = self.policy.localize(sender);
        if sender.has_control_byte() {
            return self.say(replies::CONTROL_BYTE);
        }
        if sender.as_bytes().len() > PATH_MAX_BYTES {
            return self.say(replies::SYNTAX);
        }
        let size = MailParameters::parse(rest).size_bytes.unwrap_or(0);
        if size > self.policy.message_limit(self.databytes()) {
            return self.say(replies::TOO_LARGE);
        }
        if sender.as_bytes().is_empty() && self.policy.checks.rejects_null_sender(&self.client) {
            return self.hang_up(replies::NO_NULL_SENDERS, Ending::HungUp);
        }
        let refusal = self.refusal_of(&sender);
        self.state = State::Transaction(Transaction::new(sender, refusal));
        self.say(replies::SENDER_OK);
    }

    /// What the lists say about the client's name and a sender.
    fn refusal_of(&mut self, sender: &Path) -> Option<Reply> {
        let policy = self.policy.clone();
        let name = self.helo.as_deref().unwrap_or_default();
        if let Some(found) = policy.checks.bad_name(&self.client, name).filter(|_| self.helo.is_some()) {
            self.note_match(found);
            return Some(replies::DENIED_NAME);
        }
        if !self.client.overrides.any_sender && policy.is_bad_sender(sender) {
            return Some(replies::BAD_SENDER);
        }
        let found = policy.checks.bad_sender(&self.client, sender.as_bytes())?;
        self.note_match(found);
        Some(replies::DENIED_SENDER)
    }
}
