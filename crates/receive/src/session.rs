//! One SMTP session as a machine: bytes and verdicts go in, replies and requests come out (contract 6.5).
//!
//! The machine has no socket, no clock and no queue. Its owner feeds it what the client sent, carries out the
//! [`Action`] it asks for, and sends [`Session::replies`] before it waits for anything.
//!
//! ```text
//! Greeted --MAIL--> Transaction --DATA--> Receiving --end of data--> Greeted
//!    ^------RSET, HELO, EHLO----'                                        any --QUIT, fatal--> Closed
//! ```
//!
//! Each command has its file in [`commands`](crate::commands).

use crate::checks::Match;
use crate::client::Client;
use crate::limits::{IDLE_COMMANDS_MAX, TRANSACTIONS_MAX};
use crate::policy::Policy;
use crate::receiving::{Flaw, Progress, Receiving, Stage};
use crate::replies::{self, Replies, Reply};
use crate::transaction::Transaction;
use crate::verdict::Verdict;
use smtp::command::{Command, Line, LineCutter, Verb};
use smtp::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How much of a refused command is noted.
const NOTED_BYTES: usize = 200;

/// What the machine wants next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// More bytes from the client. Send the replies first.
    Read,
    /// A hand-off at the queue door; then [`Session::door_opened`].
    OpenDoor,
    /// [`Session::message`] goes to the door; then [`Session::forwarded`].
    Forward,
    /// The rest of [`Session::message`] and [`Session::envelope`] go to the door; then [`Session::decided`].
    Finish,
    /// The door is to forget what it got, if it is open.
    Abandon,
    /// Whether there is a mailbox for [`Session::asked`]; then [`Session::answered`].
    Ask,
    /// Wait for so long, then send the replies.
    Pause(Duration),
    /// Send the replies and hang up.
    Close(Ending),
}

/// How a session ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// The client said QUIT.
    Quit,
    /// We had enough of it, or something broke.
    HungUp,
    /// As [`Ending::HungUp`], while the client may still be sending a message: it should be listened to for a
    /// moment, or a reset may swallow our reply.
    HungUpInMessage,
}

/// Where a session stands.
#[derive(Debug)]
pub(crate) enum State {
    /// No transaction is open.
    Greeted,
    /// MAIL was accepted.
    Transaction(Transaction),
    /// DATA was accepted.
    Receiving(Box<Receiving>),
    /// Nothing more is heard.
    Closed(Ending),
}

/// Counts since the session's start or the last accepted message (contract 17.1 D8).
#[derive(Debug, Default)]
struct Counts {
    errors: u32,
    idle_commands: u32,
    transactions: u32,
}

/// One session.
#[derive(Debug)]
pub struct Session {
    pub(crate) policy: Arc<Policy>,
    pub(crate) client: Client,
    /// What HELO or EHLO said last.
    pub(crate) helo: Option<Vec<u8>>,
    pub(crate) state: State,
    pub(crate) replies: Replies,
    lines: LineCutter,
    counts: Counts,
    /// The recipient whose mailbox is being asked about.
    pub(crate) asked: Option<Path>,
    /// What the client has to wait for.
    pub(crate) pause: Option<Duration>,
    /// Recipients refused because they are not there or not wanted, in the whole session.
    pub(crate) bad_recipients: u32,
    /// What was refused since the owner asked last, in words for the log.
    notes: Vec<String>,
    /// Seconds since 1970, as of the last call.
    pub(crate) now: u64,
}

impl Session {
    /// A session that has just said its greeting.
    pub fn new(policy: Arc<Policy>, client: Client) -> Self {
        let mut replies = Replies::default();
        replies.line("220", "", &[&policy.greeting, b" ESMTP"]);
        Self {
            policy,
            client,
            helo: None,
            state: State::Greeted,
            replies,
            lines: LineCutter::default(),
            counts: Counts::default(),
            asked: None,
            pause: None,
            bad_recipients: 0,
            notes: Vec::new(),
            now: 0,
        }
    }

    /// Takes bytes from the client: how many of them are used up, and what to do next. Bytes that are not used
    /// are to be offered again, with more behind them when the action was [`Action::Read`].
    pub fn step(&mut self, input: &[u8], now: u64) -> (usize, Action) {
        self.now = now;
        let mut used = 0usize;
        loop {
            if let Some(pause) = self.pause.take() {
                return (used, Action::Pause(pause));
            }
            if self.asked.is_some() {
                return (used, Action::Ask);
            }
            let rest = input.get(used..).unwrap_or_default();
            match &mut self.state {
                State::Closed(ending) => return (used, Action::Close(*ending)),
                State::Receiving(receiving) => {
                    if receiving.stage == Stage::Opening {
                        return (used, Action::OpenDoor);
                    }
                    let (taken, progress) = receiving.push(rest);
                    used = used.saturating_add(taken);
                    return (used, self.progress(progress));
                }
                State::Greeted | State::Transaction(_) => {
                    let (line, taken) = self.lines.cut(rest);
                    used = used.saturating_add(taken);
                    match line {
                        Line::Complete(line) => self.hear(line),
                        Line::TooLong => self.say(replies::LINE_TOO_LONG),
                        Line::Incomplete if taken > 0 => {}
                        Line::Incomplete => return (used, Action::Read),
                    }
                }
            }
        }
    }

    /// The answer to [`Action::OpenDoor`]: whether there is a door at all.
    pub fn door_opened(&mut self, opened: bool) {
        match &mut self.state {
            State::Receiving(receiving) if opened => {
                receiving.stage = Stage::Arriving;
                self.say(replies::GO_AHEAD);
            }
            _ => {
                self.state = State::Greeted;
                self.say(replies::NO_DOOR);
            }
        }
    }

    /// Message bytes that wait for the door.
    pub fn message(&self) -> &[u8] {
        if let State::Receiving(receiving) = &self.state { receiving.waiting() } else { &[] }
    }

    /// The answer to [`Action::Forward`].
    pub fn forwarded(&mut self) {
        if let State::Receiving(receiving) = &mut self.state {
            receiving.forwarded();
        }
    }

    /// The envelope of a complete message.
    pub fn envelope(&self) -> &[u8] {
        match &self.state {
            State::Receiving(receiving) if receiving.stage == Stage::Complete => receiving.envelope(),
            _ => &[],
        }
    }

    /// The answer to [`Action::Finish`].
    pub fn decided(&mut self, verdict: &Verdict, now: u64) {
        self.now = now;
        self.state = State::Greeted;
        let before = self.replies.pending().len();
        match verdict {
            Verdict::Queued { qp } => {
                self.counts = Counts::default();
                let text = format!("ok {now} qp {qp}");
                self.replies.line("250", "2.0.0", &[text.as_bytes()]);
            }
            Verdict::Refused(text) => {
                self.replies.refusal(text);
                if text.first() == Some(&b'D') {
                    self.count_error();
                }
            }
        }
        self.note(b"message", before);
    }

    /// How long the greeting should wait.
    pub fn greet_delay(&self) -> Duration {
        self.policy.checks.greet_delay(&self.client)
    }

    /// The client did not wait for it (RFC 5321 §4.3.1). True if that ends the session.
    pub fn talked_early(&mut self) -> bool {
        let is_dropped = self.policy.checks.drops_early_talker(&self.client);
        if is_dropped {
            self.replies.sent();
            self.hang_up(replies::EARLY_TALKER, Ending::HungUp);
            self.note(b"greeting", 0);
        }
        is_dropped
    }

    /// The client was silent, or deaf, for too long.
    pub fn timed_out(&mut self) {
        self.hang_up(replies::TIMED_OUT, Ending::HungUp);
    }

    /// True while no transaction is open: nothing is lost if the session ends here.
    pub fn is_between_transactions(&self) -> bool {
        matches!(self.state, State::Greeted)
    }

    /// The whole service goes away.
    pub fn closing_down(&mut self) {
        self.hang_up(replies::CLOSING_DOWN, Ending::HungUp);
    }

    /// Replies that wait to be sent.
    pub fn replies(&self) -> &[u8] {
        self.replies.pending()
    }

    /// They have been sent.
    pub fn replies_sent(&mut self) {
        self.replies.sent();
    }

    /// The policy this session began with.
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// What was refused since the last call: for the log. Empty unless the policy asks for it.
    pub fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    fn hear(&mut self, line: &[u8]) {
        let before = self.replies.pending().len();
        self.obey(Command::parse(line));
        self.note(line, before);
    }

    /// Notes a refusal among the replies after the first `before` bytes.
    pub(crate) fn note(&mut self, what: &[u8], before: usize) {
        let reply = self.replies.pending().get(before..).unwrap_or_default().trim_ascii_end();
        if self.policy.notes_refusals && matches!(reply.first(), Some(b'4' | b'5')) {
            let what = what.get(..NOTED_BYTES).unwrap_or(what).trim_ascii_end();
            let said = String::from_utf8_lossy(reply).replace("\r\n", "; ").replace(char::is_control, "?");
            self.notes.push(format!("refused \"{}\": {said}", what.escape_ascii()));
        }
    }

    /// Notes which line refused, where that is asked for.
    pub(crate) fn note_match(&mut self, found: Match<'_>) {
        if self.policy.notes_refusals && self.client.overrides.logs_patterns {
            self.notes.push(format!("control/{}: {}", found.file, found.line.escape_ascii()));
        }
    }

    fn obey(&mut self, command: Command<'_>) {
        let Ok(argument) = command.argument else {
            return self.say(replies::CONTROL_BYTE);
        };
        match command.verb {
            Verb::Mail => self.counts.transactions = self.counts.transactions.saturating_add(1),
            Verb::Rcpt | Verb::Data => {}
            _ => self.counts.idle_commands = self.counts.idle_commands.saturating_add(1),
        }
        if self.counts.idle_commands > IDLE_COMMANDS_MAX || self.counts.transactions > TRANSACTIONS_MAX {
            return self.hang_up(replies::TOO_MANY_COMMANDS, Ending::HungUp);
        }
        match command.verb {
            Verb::Helo => self.helo(argument),
            Verb::Ehlo => self.ehlo(argument),
            Verb::Mail => self.mail(argument),
            Verb::Rcpt => self.rcpt(argument),
            Verb::Data => self.data(),
            Verb::Rset => self.rset(),
            Verb::Noop => self.noop(),
            Verb::Help => self.help(),
            Verb::Vrfy => self.vrfy(),
            Verb::Quit => self.quit(),
            Verb::Unknown => self.say(replies::UNIMPLEMENTED),
        }
    }

    fn progress(&mut self, progress: Progress) -> Action {
        let before = self.replies.pending().len();
        let action = self.follow(progress);
        self.note(b"message", before);
        action
    }

    fn follow(&mut self, progress: Progress) -> Action {
        match progress {
            Progress::More => Action::Read,
            Progress::Forward => Action::Forward,
            Progress::Abandon => Action::Abandon,
            Progress::Complete => Action::Finish,
            Progress::Refused(flaw) => {
                self.state = State::Greeted;
                self.say(refusal(flaw));
                Action::Abandon
            }
            Progress::RefusedForGood(flaw) => {
                self.hang_up(refusal(flaw), Ending::HungUpInMessage);
                Action::Abandon
            }
        }
    }

    /// Replies, and counts errors.
    pub(crate) fn say(&mut self, reply: Reply) {
        self.replies.say(reply);
        if reply.is_error() {
            self.count_error();
        }
    }

    /// Replies and hears nothing more.
    pub(crate) fn hang_up(&mut self, reply: Reply, ending: Ending) {
        self.replies.say(reply);
        self.state = State::Closed(ending);
    }

    pub(crate) fn count_error(&mut self) {
        self.counts.errors = self.counts.errors.saturating_add(1);
        if self.counts.errors >= self.policy.limits.errors && !matches!(self.state, State::Closed(_)) {
            self.hang_up(replies::TOO_MANY_ERRORS, Ending::HungUp);
        }
    }
}

fn refusal(flaw: Flaw) -> Reply {
    match flaw {
        Flaw::BareNewline => replies::BARE_NEWLINE,
        Flaw::Looping => replies::LOOPING,
        Flaw::TooLarge => replies::TOO_LARGE,
    }
}
