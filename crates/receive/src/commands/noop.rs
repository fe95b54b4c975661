//! `NOOP` (RFC 5321 §4.1.1.9).

use crate::replies;
use crate::session::Session;

impl Session {
    pub(crate) fn noop(&mut self) {
        self.say(replies::NOTHING_DONE);
    }
}
