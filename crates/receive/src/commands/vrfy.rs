//! `VRFY` (RFC 5321 §4.1.1.6, §7.3): tells nothing about who exists.

use crate::replies;
use crate::session::Session;

impl Session {
    pub(crate) fn vrfy(&mut self) {
        self.say(replies::WILL_TRY);
    }
}
