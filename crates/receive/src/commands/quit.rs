//! `QUIT` (RFC 5321 §4.1.1.10).

use crate::session::{Ending, Session, State};

impl Session {
    pub(crate) fn quit(&mut self) {
        let policy = self.policy.clone();
        self.replies.line("221", "2.0.0", &[&policy.greeting]);
        self.state = State::Closed(Ending::Quit);
    }
}
