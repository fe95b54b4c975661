//! The authorization state (RFC 1939 §4): a line in, what to do out. No socket, no clock, no process.

use crate::capability;
use crate::command::{Command, NoCommand};

/// Commands before a password, or APOP, before we hang up. A client needs three.
pub const COMMANDS_MAX: u32 = 100;

/// What to do.
#[derive(PartialEq, Eq, Debug)]
pub enum Step {
    /// Send this and read on.
    Reply(Vec<u8>),
    /// Send this and hang up.
    Last(Vec<u8>),
    /// Ask the checking program.
    Check(Claim),
}

/// Who a client says it is, and the proof. It is not to be shown.
#[derive(PartialEq, Eq)]
pub struct Claim {
    /// The name.
    pub user: Vec<u8>,
    /// The password, or the digest of APOP.
    pub proof: Vec<u8>,
}

impl std::fmt::Debug for Claim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Claim")
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        os::memory::wipe(&mut self.proof);
    }
}

impl Claim {
    /// The question to a checking program: three fields, each ended by a NUL. What `Command` takes apart holds none.
    pub fn question(&self, timestamp: &[u8]) -> Vec<u8> {
        let mut question = Vec::with_capacity(
            self.user
                .len()
                .saturating_add(self.proof.len())
                .saturating_add(timestamp.len())
                .saturating_add(3),
        );
        for field in [&self.user[..], &self.proof, timestamp] {
            question.extend_from_slice(field);
            question.push(0);
        }
        question
    }
}

/// A session before it is known whose it is.
#[derive(Debug, Default)]
pub struct Authorization {
    user: Option<Vec<u8>>,
    commands: u32,
}

impl Authorization {
    /// One line, without its LF.
    pub fn line(&mut self, line: &[u8]) -> Step {
        match Command::parse(line) {
            _ if self.is_one_too_many() => too_many(),
            Ok(command) => self.command(command),
            Err(NoCommand::Nul) => error("syntax error"),
        }
    }

    /// A line that was longer than any that is read.
    pub fn line_too_long(&mut self) -> Step {
        if self.is_one_too_many() { too_many() } else { error("syntax error") }
    }

    fn is_one_too_many(&mut self) -> bool {
        self.commands = self.commands.saturating_add(1);
        self.commands > COMMANDS_MAX
    }

    fn command(&mut self, command: Command<'_>) -> Step {
        let argument = command.argument;
        if command.is("USER") {
            if argument.is_empty() {
                return error("syntax error");
            }
            self.user = Some(argument.to_vec());
            okay()
        } else if command.is("PASS") {
            match &self.user {
                None => error("USER first"),
                Some(_) if argument.is_empty() => error("syntax error"),
                Some(user) => Step::Check(Claim { user: user.clone(), proof: argument.to_vec() }),
            }
        } else if command.is("APOP") {
            let Some(space) = argument.iter().position(|&b| b == b' ') else { return error("syntax error") };
            let (user, digest) = argument.split_at(space);
            let proof = digest.get(1..).unwrap_or_default().to_vec();
            Step::Check(Claim { user: user.to_vec(), proof })
        } else if command.is("CAPA") {
            Step::Reply(capability::reply())
        } else if command.is("NOOP") {
            okay()
        } else if command.is("QUIT") {
            Step::Last(b"+OK \r\n".to_vec())
        } else {
            error("authorization first")
        }
    }
}

/// What the server says first: a stamp that no other session has, for APOP.
pub fn greeting(timestamp: &[u8]) -> Vec<u8> {
    [b"+OK ", timestamp, b"\r\n"].concat()
}

/// `<PID.TIME@HOSTNAME>`.
pub fn timestamp(process: u32, seconds: u64, host: &[u8]) -> Vec<u8> {
    [format!("<{process}.{seconds}@").as_bytes(), host, b">"].concat()
}

fn okay() -> Step {
    Step::Reply(b"+OK \r\n".to_vec())
}

fn too_many() -> Step {
    Step::Last(b"-ERR too many commands\r\n".to_vec())
}

fn error(text: &str) -> Step {
    Step::Reply(format!("-ERR {text}\r\n").into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn said(step: Step) -> String {
        match step {
            Step::Reply(text) | Step::Last(text) => String::from_utf8(text).unwrap(),
            Step::Check(claim) => {
                let question = claim.question(b"<1.2@h>");
                format!("check {}", String::from_utf8_lossy(&question).replace('\0', "|"))
            }
        }
    }

    #[test]
    fn a_name_and_a_password_are_what_it_takes() {
        let rows: [(&[&str], &str); 11] = [
            (&["USER joe", "PASS secret"], "check joe|secret|<1.2@h>|"),
            (&["USER joe", "BOGUS", "NOOP", "PASS a b  c "], "check joe|a b  c |<1.2@h>|"),
            (&["USER a", "USER b", "pass x"], "check b|x|<1.2@h>|"),
            (&["APOP joe 0123 4"], "check joe|0123 4|<1.2@h>|"),
            (&["USER a", "APOP b d"], "check b|d|<1.2@h>|"),
            (&["PASS x"], "-ERR USER first\r\n"),
            (&["USER"], "-ERR syntax error\r\n"),
            (&["USER joe", "PASS "], "-ERR syntax error\r\n"),
            (&["APOP joe"], "-ERR syntax error\r\n"),
            (&["STAT"], "-ERR authorization first\r\n"),
            (&["USER a\0b"], "-ERR syntax error\r\n"),
        ];
        for (lines, expected) in rows {
            let mut session = Authorization::default();
            let last = lines.iter().map(|line| said(session.line(line.as_bytes()))).last();
            assert_eq!(last.as_deref(), Some(expected), "{lines:?}");
        }
    }

    #[test]
    fn who_talks_on_and_on_is_cut_off() {
        let says: [fn(&mut Authorization) -> Step; 2] = [|s| s.line(b"NOOP"), Authorization::line_too_long];
        for say in says {
            let mut session = Authorization::default();
            let ended = (0..COMMANDS_MAX).any(|_| !matches!(say(&mut session), Step::Reply(_)));
            assert!(!ended);
            assert!(matches!(say(&mut session), Step::Last(_)));
        }
    }

    #[test]
    fn a_proof_is_not_shown() {
        let claim = Claim { user: b"joe".to_vec(), proof: b"secret".to_vec() };
        assert!(!format!("{claim:?}").contains("secret"));
    }

    proptest! {
        #[test]
        fn a_question_has_three_fields_whatever_the_client_says(
            lines in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..4)
        ) {
            let mut session = Authorization::default();
            session.line(b"USER joe");
            for line in lines {
                for line in [line.clone(), [b"PASS ", &line[..]].concat(), [b"APOP a ", &line[..]].concat()] {
                    if let Step::Check(claim) = session.line(&line) {
                        let question = claim.question(b"<1.2@h>");
                        prop_assert_eq!(question.iter().filter(|&&b| b == 0).count(), 3);
                    }
                }
            }
        }
    }
}
