//! One SMTP client session, without a socket: replies in, bytes out.

use super::text::Text;
use std::collections::VecDeque;
use std::sync::Arc;

/// Longest reply line we read.
const MAX_LINE: usize = 4096;

/// What the session waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Greeting,
    Hello,
    /// The reply to MAIL; so many recipients follow it.
    From {
        recipients: usize,
    },
    /// Replies to RCPT and DATA: how many are still to come, how many recipients were taken.
    Envelope {
        left: usize,
        taken: usize,
    },
    /// The reply to the message, for that many recipients.
    Body {
        taken: usize,
    },
    Quit,
    Closed,
}

/// What a reply meant for the work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing yet.
    None,
    /// The session is ready for a message.
    Ready,
    /// The whole message is on its way out: nothing more of it will be added.
    Sending,
    /// The message is accepted for that many recipients.
    Accepted(usize),
    /// It was refused, with these words.
    Refused(String),
    /// The session is over.
    Closed,
}

/// A session.
#[derive(Debug)]
pub struct Sender {
    state: State,
    line: Vec<u8>,
    text: Text,
    /// The server offers PIPELINING (RFC 2920).
    can_pipeline: bool,
    /// Commands that wait for the reply to the one before.
    later: VecDeque<Vec<u8>>,
    /// The number of the message that is being sent.
    pub number: u64,
    /// Bytes to write first.
    pub head: Vec<u8>,
    /// Bytes to write then: shared by all sessions, and not copied.
    pub tail: Option<Arc<[u8]>>,
}

impl Sender {
    /// A session that will send messages like this.
    pub fn new(text: Text) -> Self {
        Self {
            state: State::Greeting,
            line: Vec::new(),
            text,
            can_pipeline: false,
            later: VecDeque::new(),
            number: 0,
            head: Vec::new(),
            tail: None,
        }
    }

    /// Sends the envelope of a message. MAIL, RCPT and DATA go out together where the server offers PIPELINING, else one
    /// after the other.
    pub fn start(&mut self, number: u64, recipients: &[String]) {
        self.number = number;
        self.later.push_back(b"MAIL FROM:<sender@client.example>\r\n".to_vec());
        self.later.extend(recipients.iter().map(|r| format!("RCPT TO:<{r}>\r\n").into_bytes()));
        self.later.push_back(b"DATA\r\n".to_vec());
        self.go_on();
        self.state = State::From { recipients: recipients.len() };
    }

    /// Sends the next command, or all of them.
    fn go_on(&mut self) {
        let count = if self.can_pipeline { self.later.len() } else { 1.min(self.later.len()) };
        self.head.extend(self.later.drain(..count).flatten());
    }

    /// Nothing more was to come.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Quit | State::Closed)
    }

    /// Ends the session.
    pub fn quit(&mut self) {
        self.later.clear();
        self.head.extend(b"QUIT\r\n");
        self.state = State::Quit;
    }

    /// Takes what was read; gives what each complete reply meant.
    pub fn hear(&mut self, bytes: &[u8]) -> Vec<Step> {
        let mut steps = Vec::new();
        for piece in bytes.split_inclusive(|&b| b == b'\n') {
            self.line.extend(piece.iter().take(MAX_LINE));
            if !piece.ends_with(b"\n") {
                continue;
            }
            let line = std::mem::take(&mut self.line);
            let keyword = line.get(4..).unwrap_or_default();
            self.can_pipeline |= self.state == State::Hello && keyword.starts_with(b"PIPELINING");
            // A hyphen after the code says that more lines follow.
            if line.get(3) != Some(&b'-') {
                steps.push(self.reply(&line));
            }
        }
        steps
    }

    fn reply(&mut self, line: &[u8]) -> Step {
        let class = line.first().copied().unwrap_or(b'5');
        let refused = || Step::Refused(String::from_utf8_lossy(line).trim_end().to_owned());
        match self.state {
            State::Greeting if class == b'2' => {
                self.head.extend(b"EHLO client.example\r\n");
                self.state = State::Hello;
                Step::None
            }
            State::Hello if class == b'2' => Step::Ready,
            State::Greeting | State::Hello => {
                self.state = State::Closed;
                refused()
            }
            // A refused sender shows in the reply to DATA.
            State::From { recipients } => {
                self.go_on();
                self.state = State::Envelope { left: recipients + 1, taken: 0 };
                Step::None
            }
            State::Envelope { left: 1, taken } => {
                if class == b'3' {
                    self.state = State::Body { taken };
                    self.head.extend(self.text.head(self.number).as_bytes());
                    self.tail = Some(self.text.rest().clone());
                    return Step::Sending;
                }
                // Whatever the envelope has begun is given up.
                self.quit();
                refused()
            }
            State::Envelope { left, taken } => {
                self.go_on();
                let taken = taken + usize::from(class == b'2');
                self.state = State::Envelope { left: left - 1, taken };
                Step::None
            }
            State::Body { taken } if class == b'2' => Step::Accepted(taken),
            State::Body { .. } => {
                self.quit();
                refused()
            }
            State::Quit | State::Closed => {
                self.state = State::Closed;
                Step::Closed
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Sender, Step};
    use crate::load::text::Text;

    #[test]
    fn a_session_goes_through_a_message() {
        let mut sender = Sender::new(Text::for_smtp(1024));
        assert_eq!(sender.hear(b"220 hello\r\n250-a\r\n250-PIPELINING\r\n25"), [Step::None]);
        assert_eq!(sender.hear(b"0 b\r\n"), [Step::Ready]);
        sender.start(7, &["a@b".to_owned(), "c@d".to_owned()]);
        let steps = sender.hear(b"250 ok\r\n250 ok\r\n550 no\r\n354 go\r\n");
        assert_eq!(steps, [Step::None, Step::None, Step::None, Step::Sending]);
        assert!(String::from_utf8_lossy(&sender.head).contains("X-Bench: 0000000007\r\n"));
        assert_eq!(sender.hear(b"250 done\r\n"), [Step::Accepted(1)]);
    }

    #[test]
    fn commands_wait_for_replies_where_the_server_wants_it() {
        let mut sender = Sender::new(Text::for_smtp(1024));
        sender.hear(b"220 hello\r\n250 a\r\n");
        sender.head.clear();
        sender.start(7, &["a@b".to_owned()]);
        for (command, reply) in [("MAIL", "250 ok\r\n"), ("RCPT", "250 ok\r\n"), ("DATA", "354 go\r\n")] {
            let head = String::from_utf8_lossy(&std::mem::take(&mut sender.head)).into_owned();
            assert!(head.starts_with(command) && head.matches("\r\n").count() == 1, "{head}");
            sender.hear(reply.as_bytes());
        }
        assert_eq!(sender.hear(b"250 done\r\n"), [Step::Accepted(1)]);
    }
}
