//! `RCPT TO:<recipient>` (RFC 5321 §4.1.1.3): one more recipient.
//!
//! Checked in this order: a transaction is open, where the client comes from, syntax, the sender, whether we relay, how many there are.

use crate::blocked::Blocked;
use crate::replies;
use crate::session::{Ending, Session, State};
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
        if transaction.sender_is_bad {
            return self.say(replies::BAD_SENDER);
        }
        let recipient = match self.route(recipient) {
            Ok(Some(recipient)) => recipient,
            Ok(None) => return self.say(replies::NO_RELAYING),
            Err(_) => return self.hang_up(replies::NO_CONTROLS, Ending::HungUp),
        };
        let max = self.policy.limits.recipients;
        let State::Transaction(transaction) = &mut self.state else {
            return;
        };
        if transaction.recipients() >= max {
            return self.say(replies::TOO_MANY_RECIPIENTS);
        }
        transaction.add(&recipient);
        self.say(replies::RECIPIENT_OK);
    }

    /// The recipient as it goes into the envelope; `None` if we do not relay to it for this client.
    fn route(&self, recipient: Path) -> Result<Option<Path>, cdb::ReadError> {
        match &self.client.relay {
            Some(suffix) => Ok(recipient.with_suffix(suffix)),
            None => Ok(self.policy.recipient_hosts.allow(recipient.domain())?.then_some(recipient)),
        }
    }
}
