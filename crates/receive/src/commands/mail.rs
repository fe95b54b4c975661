//! `MAIL FROM:<sender> parameters` (RFC 5321 §4.1.1.2): begins a transaction and forgets an earlier one.
//!
//! A sender in badmailfrom is accepted here and refused at RCPT, so that the refusal names each recipient in the
//! sender's log. A declared SIZE above the limit is refused at once (RFC 1870 §6.1).

use crate::replies;
use crate::session::{Session, State};
use crate::transaction::Transaction;
use smtp::parameters::MailParameters;
use smtp::path::{self, PATH_MAX_BYTES};

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
        let is_bad = self.policy.is_bad_sender(&sender);
        self.state = State::Transaction(Transaction::new(sender, is_bad));
        self.say(replies::SENDER_OK);
    }
}
