//! `DATA` (RFC 5321 §4.1.1.4): the message follows. An argument is ignored.

use crate::receiving::Receiving;
use crate::replies;
use crate::session::{Session, State};

impl Session {
    pub(crate) fn data(&mut self) {
        let State::Transaction(transaction) = &self.state else {
            return self.say(replies::MAIL_FIRST);
        };
        if transaction.recipients() == 0 {
            return self.say(replies::RECIPIENT_FIRST);
        }
        let envelope = transaction.envelope();
        let limit = self.policy.message_limit(self.databytes());
        let receiving = Receiving::new(envelope, self.received_lines(), limit);
        self.state = State::Receiving(Box::new(receiving));
    }

    /// The Received field of this hop. What HELO said is shown only where it is not what we knew.
    fn received_lines(&self) -> Vec<u8> {
        let client = &self.client;
        let helo = self.helo.as_deref().filter(|helo| !helo.eq_ignore_ascii_case(&client.remote_host));
        let known = message::received::Client {
            remote_host: &client.remote_host,
            remote_info: client.remote_info.as_deref(),
            remote_ip: &client.remote_ip,
            local: &client.local,
            helo,
            protocol: "SMTP",
        };
        message::received::by_server(&known, self.now)
    }
}
