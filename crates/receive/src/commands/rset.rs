//! `RSET` (RFC 5321 §4.1.1.5): the transaction is forgotten.

use crate::replies;
use crate::session::{Session, State};

impl Session {
    pub(crate) fn rset(&mut self) {
        self.state = State::Greeted;
        self.say(replies::FLUSHED);
    }
}
