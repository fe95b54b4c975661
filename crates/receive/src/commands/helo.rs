//! `HELO name` (RFC 5321 §4.1.1.1): who the client says it is. Nothing is checked; the name goes into Received.

use crate::session::{Session, State};

impl Session {
    pub(crate) fn helo(&mut self, name: &[u8]) {
        self.introduce(name);
        self.replies.enhanced = false;
        let policy = self.policy.clone();
        self.replies.line("250", "", &[&policy.greeting]);
    }

    /// Remembers the name and ends a transaction, as HELO and EHLO both do.
    pub(crate) fn introduce(&mut self, name: &[u8]) {
        self.helo = Some(name.to_vec());
        self.state = State::Greeted;
    }
}
