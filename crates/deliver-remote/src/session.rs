//! An SMTP client session without a socket: bytes in, bytes out (RFC 5321 §3, RFC 2920).
//!
//! The driver ([`crate::connection`]) asks [`Session::step`] what to do next, writes
//! [`Session::take_output`], feeds what it reads to [`Session::receive`], and sends the message itself
//! when told to. A session carries any number of transactions, one after the other.
//!
//! ```text
//! Greeting -> Ehlo [-> Helo] -> Ready -> Transaction -> (Body -> Transaction) -> Ended -> Ready ...
//! ```
//!
//! Where the server offers PIPELINING, MAIL, all RCPT and DATA go out together, and each reply is
//! matched with its command in the order sent; without it one command is out at a time. Either
//! way every reply is judged by the same code, so the results cannot differ.

use std::collections::VecDeque;

use smtp::reply::{Reply, ReplyParser};

use crate::features::Features;
use crate::outcome::{Outcome, Recipient, Verdict};

/// What the driver does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Write the output, then read.
    Read,
    /// Greeted and introduced, nothing under way: begin a transaction or quit.
    Ready,
    /// Send the message and its final dot, then call [`Session::body_sent`].
    SendBody,
    /// The transaction has ended: [`Session::take_outcome`].
    Ended,
}

/// How we introduce ourselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Introduction {
    /// EHLO, and HELO where that is not understood.
    Extended,
    /// HELO at once, for a server that has hung up on EHLO.
    Plain,
}

/// The envelope of one transaction, addresses already quoted (RFC 5321 §4.1.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// Reverse-path without brackets.
    pub sender: Vec<u8>,
    /// Forward-paths without brackets; at least one.
    pub recipients: Vec<Vec<u8>>,
    /// Bytes of the message on the wire, if known, for SIZE.
    pub size_bytes: Option<u64>,
    /// The message has bytes above 127.
    pub eight_bit: bool,
}

/// The command that a reply will belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Greeting,
    Ehlo,
    Helo,
    Reset,
    Mail,
    Recipient,
    Data,
    Message,
}

/// Commands of a transaction that are still to be sent, in order.
#[derive(Clone, Debug, Default)]
struct Transaction {
    commands: VecDeque<(Expected, Vec<u8>)>,
    wanted: usize,
    recipients: Vec<Recipient>,
    /// The verdict, once it stands; replies to commands already sent are still awaited.
    verdict: Option<Verdict>,
    going_away: bool,
    body: Body,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Body {
    #[default]
    NotYet,
    Wanted,
    Sent,
}

/// The machine. See the module for its states.
#[derive(Debug)]
pub struct Session {
    helo_host: Vec<u8>,
    introduction: Introduction,
    parser: ReplyParser,
    output: Vec<u8>,
    expected: VecDeque<Expected>,
    features: Features,
    transaction: Option<Transaction>,
    /// A transaction may be open on the server's side: RSET before the next.
    dirty: bool,
    /// Client and server may disagree on what is under way, or the connection is gone.
    broken: bool,
    /// The connection is gone: nothing can be written either.
    lost: bool,
}

impl Session {
    /// Waits for the greeting of a new connection. `helo_host` is our name.
    pub fn new(helo_host: &[u8], introduction: Introduction) -> Self {
        Self {
            helo_host: helo_host.to_vec(),
            introduction,
            parser: ReplyParser::default(),
            output: Vec::new(),
            expected: VecDeque::from([Expected::Greeting]),
            features: Features::default(),
            transaction: None,
            dirty: false,
            broken: false,
            lost: false,
        }
    }

    /// What to do next.
    pub fn step(&self) -> Step {
        match &self.transaction {
            Some(transaction) if transaction.body == Body::Wanted => Step::SendBody,
            Some(transaction)
                if transaction.verdict.is_some() && (self.expected.is_empty() || self.broken) =>
            {
                Step::Ended
            }
            None if self.expected.is_empty() => Step::Ready,
            _ => Step::Read,
        }
    }

    /// Bytes for the server.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// Starts a transaction. Only in [`Step::Ready`]; not on a broken session.
    pub fn begin(&mut self, envelope: &Envelope) {
        let mut commands = VecDeque::with_capacity(envelope.recipients.len().saturating_add(3));
        if self.dirty {
            commands.push_back((Expected::Reset, b"RSET\r\n".to_vec()));
        }
        commands.push_back((Expected::Mail, self.mail_command(envelope)));
        for recipient in &envelope.recipients {
            commands
                .push_back((Expected::Recipient, [b"RCPT TO:<", recipient.as_slice(), b">\r\n"].concat()));
        }
        commands.push_back((Expected::Data, b"DATA\r\n".to_vec()));
        let wanted = envelope.recipients.len();
        self.transaction = Some(Transaction { commands, wanted, ..Transaction::default() });
        self.dirty = true;
        self.send_commands();
    }

    /// Takes what the server sent.
    pub fn receive(&mut self, mut input: &[u8]) {
        while let Some(reply) = self.parser.take(&mut input) {
            match self.expected.pop_front() {
                Some(expected) => self.judge(expected, reply),
                // A reply to nothing, as from a server that announces its end (421) while we idle.
                None => self.broken = true,
            }
        }
    }

    /// A reply has begun and not ended.
    pub fn is_within_reply(&self) -> bool {
        !self.parser.is_empty()
    }

    /// The connection is gone or has timed out.
    pub fn lose(&mut self) {
        self.broken = true;
        self.lost = true;
        let transaction = self.transaction.get_or_insert_default();
        let possible_duplicate = transaction.body == Body::Sent;
        transaction.body = if possible_duplicate { Body::Sent } else { Body::NotYet };
        transaction.verdict.get_or_insert(Verdict::Died { possible_duplicate });
    }

    /// The server greeted us and hung up on EHLO, as some very old ones do.
    pub fn was_lost_at_ehlo(&self) -> bool {
        self.lost && self.expected.front() == Some(&Expected::Ehlo) && self.parser.is_empty()
    }

    /// The message file broke off: nothing more can be said on this connection.
    pub fn abandon_body(&mut self) {
        self.broken = true;
        self.lost = true;
        if let Some(transaction) = &mut self.transaction {
            transaction.body = Body::NotYet;
            transaction.verdict = Some(Verdict::Unreadable);
        }
    }

    /// The server refused the message before its end, and has stopped reading.
    pub fn refuse_body(&mut self, reply: Reply) {
        self.broken = true;
        self.lost = true;
        if let Some(transaction) = &mut self.transaction {
            transaction.body = Body::NotYet;
            transaction.verdict = Some(Verdict::MessageFailed(reply));
        }
    }

    /// The final dot is about to be written: from here on the server may have the message.
    pub fn body_sent(&mut self) {
        if let Some(transaction) = &mut self.transaction {
            transaction.body = Body::Sent;
            self.expected.push_back(Expected::Message);
        }
    }

    /// The result of the transaction, or of an introduction that failed; the session is then between
    /// transactions.
    pub fn take_outcome(&mut self) -> Option<Outcome> {
        if self.step() != Step::Ended {
            return None;
        }
        let Transaction { recipients, verdict, going_away, .. } = self.transaction.take()?;
        Some(Outcome { recipients, verdict: verdict?, going_away })
    }

    /// Another transaction may begin on this connection.
    pub fn is_reusable(&self) -> bool {
        !self.broken && self.parser.is_empty() && self.step() == Step::Ready
    }

    /// Says goodbye. False if the connection is gone already.
    pub fn quit(&mut self) -> bool {
        if !self.lost {
            self.output.extend_from_slice(b"QUIT\r\n");
        }
        !self.lost
    }

    fn mail_command(&self, envelope: &Envelope) -> Vec<u8> {
        let mut command = [b"MAIL FROM:<", envelope.sender.as_slice(), b">"].concat();
        if let (true, Some(size)) = (self.features.size, envelope.size_bytes) {
            command.extend_from_slice(format!(" SIZE={size}").as_bytes());
        }
        if self.features.eight_bit && envelope.eight_bit {
            command.extend_from_slice(b" BODY=8BITMIME");
        }
        command.extend_from_slice(b"\r\n");
        command
    }

    /// Sends the next command, or all of them where the server offers that.
    fn send_commands(&mut self) {
        let Some(transaction) = &mut self.transaction else { return };
        let most = if self.features.pipelining { usize::MAX } else { 1 };
        for _ in 0..most {
            let Some((expected, bytes)) = transaction.commands.pop_front() else { return };
            self.output.extend_from_slice(&bytes);
            self.expected.push_back(expected);
        }
    }

    fn judge(&mut self, expected: Expected, reply: Reply) {
        match expected {
            Expected::Greeting => self.greeted(reply),
            Expected::Ehlo => self.ehlo_answered(reply),
            Expected::Helo => {
                if reply.code != Some(250) {
                    self.refuse_session(Verdict::NameRejected(reply));
                }
            }
            _ => self.judge_transaction(expected, reply),
        }
    }

    fn greeted(&mut self, reply: Reply) {
        if reply.code == Some(220) {
            match self.introduction {
                Introduction::Extended => self.introduce(Expected::Ehlo, b"EHLO "),
                Introduction::Plain => self.introduce(Expected::Helo, b"HELO "),
            }
        } else {
            self.refuse_session(Verdict::GreetingFailed(reply));
        }
    }

    fn ehlo_answered(&mut self, reply: Reply) {
        match reply.code {
            Some(250) => self.features = Features::of(&reply),
            Some(421) => self.refuse_session(Verdict::NameRejected(reply)),
            // RFC 5321 §3.2: a server that does not know EHLO may know HELO.
            _ => self.introduce(Expected::Helo, b"HELO "),
        }
    }

    fn introduce(&mut self, expected: Expected, verb: &[u8]) {
        self.output.extend_from_slice(verb);
        self.output.extend_from_slice(&self.helo_host);
        self.output.extend_from_slice(b"\r\n");
        self.expected.push_back(expected);
    }

    fn refuse_session(&mut self, verdict: Verdict) {
        self.broken = true;
        self.transaction = Some(Transaction { verdict: Some(verdict), ..Transaction::default() });
    }

    fn judge_transaction(&mut self, expected: Expected, reply: Reply) {
        let Some(transaction) = &mut self.transaction else { return };
        if reply.code == Some(421) && expected != Expected::Message {
            transaction.going_away = true;
        }
        // After these nobody knows which reply belongs to which command.
        let lost_step = reply.code.is_none() || reply.code == Some(421);
        match expected {
            Expected::Reset if !reply.is_positive() => {
                transaction.verdict.get_or_insert(Verdict::Died { possible_duplicate: false });
                self.broken = true;
            }
            Expected::Mail if !reply.is_positive() => {
                transaction.verdict.get_or_insert(Verdict::SenderRejected(reply));
            }
            Expected::Recipient if transaction.verdict.is_none() => {
                let word = if reply.is_positive() { Recipient::Accepted } else { Recipient::Refused(reply) };
                transaction.recipients.push(word);
                let all = transaction.recipients.len() == transaction.wanted;
                let none = !transaction.recipients.contains(&Recipient::Accepted);
                if all && none {
                    transaction.verdict = Some(Verdict::NoRecipient);
                } else if lost_step {
                    transaction.verdict = Some(Verdict::Died { possible_duplicate: false });
                }
            }
            Expected::Data if reply.code == Some(354) => {
                if transaction.verdict.is_none() {
                    transaction.body = Body::Wanted;
                } else {
                    // It waits for a message that nobody is to get. Hanging up sends none; a lone
                    // dot would send an empty one (RFC 2920 §3.1).
                    self.broken = true;
                    self.lost = true;
                }
            }
            Expected::Data => {
                transaction.verdict.get_or_insert(Verdict::DataFailed(reply));
            }
            Expected::Message => {
                let verdict = if reply.is_positive() {
                    Verdict::Accepted(reply)
                } else {
                    Verdict::MessageFailed(reply)
                };
                transaction.verdict = Some(verdict);
                self.dirty = false;
            }
            _ => {}
        }
        self.broken |= lost_step;
        if transaction.verdict.is_some() {
            transaction.commands.clear();
        } else if transaction.body == Body::NotYet {
            self.send_commands();
        }
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
