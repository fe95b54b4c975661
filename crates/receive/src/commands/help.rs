//! `HELP` (RFC 5321 §4.1.1.8).

use crate::replies;
use crate::session::Session;

impl Session {
    pub(crate) fn help(&mut self) {
        self.say(replies::HELP);
    }
}
