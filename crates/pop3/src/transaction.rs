//! The transaction state (RFC 1939 §5, §6): a line in, what to do out. It knows how many messages there are and which
//! are marked, and nothing else of them.

use crate::command::{Command, after_spaces, number};

/// What to do. Messages are counted from 0 here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// `+OK `.
    Okay,
    /// `+OK ` and a number.
    Number(usize),
    /// `-ERR ` and this.
    Error(&'static str),
    /// How many messages there are, and how many octets the unmarked ones have.
    Total,
    /// The size of one message, or of all that are not marked.
    Sizes(Which),
    /// The name of one message, or of all that are not marked.
    Names(Which),
    /// Send a message.
    Send {
        /// Which.
        message: usize,
        /// Lines of its body; `None`: all.
        body_lines: Option<usize>,
    },
    /// What CAPA asks for.
    Capabilities,
    /// Remove what is marked, keep the rest as seen, and end.
    Quit,
}

/// Of a listing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Which {
    /// This one.
    One(usize),
    /// All that are not marked.
    All,
}

/// A session with an open mailbox.
#[derive(Clone, Debug)]
pub struct Transaction {
    marked: Vec<bool>,
    highest_marked: usize,
}

impl Transaction {
    /// With that many messages, none of them marked.
    pub fn new(messages: usize) -> Self {
        Self { marked: vec![false; messages], highest_marked: 0 }
    }

    /// True for a message that is to be removed, or does not exist.
    pub fn is_marked(&self, message: usize) -> bool {
        self.marked.get(message).copied().unwrap_or(true)
    }

    /// One line, without its LF.
    pub fn line(&mut self, line: &[u8]) -> Step {
        let Ok(command) = Command::parse(line) else { return Step::Error("syntax error") };
        if let Some((_, handle)) = COMMANDS.iter().find(|(keyword, _)| command.is(keyword)) {
            handle(self, command.argument).unwrap_or_else(Step::Error)
        } else {
            Step::Error("unimplemented")
        }
    }

    /// The message that an argument names, and what follows.
    fn message<'a>(&self, argument: &'a [u8]) -> Result<(usize, &'a [u8]), &'static str> {
        let (number, rest) = number(argument).ok_or("syntax error")?;
        let message = number.checked_sub(1).ok_or("messages are counted from 1")?;
        match self.marked.get(message) {
            None => Err("not that many messages"),
            Some(true) => Err("already deleted"),
            Some(false) => Ok((message, rest)),
        }
    }

    fn which(&self, argument: &[u8]) -> Result<Which, &'static str> {
        if argument.is_empty() { Ok(Which::All) } else { Ok(Which::One(self.message(argument)?.0)) }
    }

    fn mark(&mut self, argument: &[u8]) -> Answer {
        let (message, _) = self.message(argument)?;
        if let Some(marked) = self.marked.get_mut(message) {
            *marked = true;
        }
        self.highest_marked = self.highest_marked.max(message.saturating_add(1));
        Ok(Step::Okay)
    }

    fn unmark_all(&mut self) -> Answer {
        self.marked.fill(false);
        self.highest_marked = 0;
        Ok(Step::Okay)
    }

    /// RETR and TOP are one command, as in the original: what follows the number of the message says how many lines of
    /// the body, and without a number that is all of them.
    fn send(&self, argument: &[u8]) -> Answer {
        let (message, rest) = self.message(argument)?;
        Ok(Step::Send { message, body_lines: number(after_spaces(rest)).map(|(lines, _)| lines) })
    }
}

type Answer = Result<Step, &'static str>;
type Handler = fn(&mut Transaction, &[u8]) -> Answer;

const COMMANDS: [(&str, Handler); 11] = [
    ("STAT", |_, _| Ok(Step::Total)),
    ("LIST", |session, argument| Ok(Step::Sizes(session.which(argument)?))),
    ("UIDL", |session, argument| Ok(Step::Names(session.which(argument)?))),
    ("RETR", |session, argument| session.send(argument)),
    ("TOP", |session, argument| session.send(argument)),
    ("DELE", |session, argument| session.mark(argument)),
    ("RSET", |session, _| session.unmark_all()),
    ("LAST", |session, _| Ok(Step::Number(session.highest_marked))),
    ("NOOP", |_, _| Ok(Step::Okay)),
    ("CAPA", |_, _| Ok(Step::Capabilities)),
    ("QUIT", |_, _| Ok(Step::Quit)),
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn commands_are_understood_as_the_original_did() {
        let send = |message, body_lines| Step::Send { message, body_lines };
        let rows = [
            ("stat", Step::Total),
            ("LIST", Step::Sizes(Which::All)),
            ("LIST 1x", Step::Sizes(Which::One(0))),
            ("LIST 1 2", Step::Sizes(Which::One(0))),
            ("LIST -1", Step::Error("syntax error")),
            ("UIDL 0", Step::Error("messages are counted from 1")),
            ("UIDL 3", Step::Names(Which::One(2))),
            ("DELE", Step::Error("syntax error")),
            ("DELE 4", Step::Error("not that many messages")),
            ("DELE 99999999999999999999999999", Step::Error("not that many messages")),
            ("RETR 2", send(1, None)),
            ("TOP 2 0", send(1, Some(0))),
            ("TOP 2   5x", send(1, Some(5))),
            ("TOP 2 x", send(1, None)),
            ("TOP 2", send(1, None)),
            ("APOP a b", Step::Error("unimplemented")),
            ("", Step::Error("unimplemented")),
            ("NO\0OP", Step::Error("syntax error")),
            ("noop x", Step::Okay),
            ("CAPA", Step::Capabilities),
        ];
        for (line, expected) in rows {
            assert_eq!(Transaction::new(3).line(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn marks_are_set_once_and_taken_back_together() {
        let mut session = Transaction::new(3);
        assert_eq!(session.line(b"DELE 2"), Step::Okay);
        for line in ["DELE 2", "RETR 2", "LIST 2", "UIDL 2", "TOP 2 0"] {
            assert_eq!(session.line(line.as_bytes()), Step::Error("already deleted"), "{line}");
        }
        assert_eq!(session.line(b"DELE 1"), Step::Okay);
        assert_eq!(session.line(b"LAST"), Step::Number(2));
        assert_eq!([0, 1, 2, 3].map(|n| session.is_marked(n)), [true, true, false, true]);
        assert_eq!(session.line(b"RSET"), Step::Okay);
        assert_eq!(session.line(b"LAST"), Step::Number(0));
        assert!(!session.is_marked(1));
    }

    proptest! {
        #[test]
        fn no_line_leads_to_a_message_that_is_not_there(
            lines in proptest::collection::vec("(DELE|RETR|LIST|TOP|UIDL|RSET) ?[0-9x -]{0,4}", 0..8)
        ) {
            let mut session = Transaction::new(2);
            for line in lines {
                match session.line(line.as_bytes()) {
                    Step::Send { message, .. } | Step::Sizes(Which::One(message)) | Step::Names(Which::One(message)) => {
                        prop_assert!(!session.is_marked(message));
                    }
                    _ => {}
                }
            }
        }
    }
}
