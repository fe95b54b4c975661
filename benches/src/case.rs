//! The rows of the table: which work, how much of it, by how many at once.

use std::time::Duration;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// SMTP to the Maildir of one user.
    Maildir,
    /// SMTP to the Maildirs of many users.
    Users,
    /// SMTP to a program named in `.qmail`.
    Program,
    /// A local program for each message, to the Maildir of one user.
    Submit,
    /// SMTP in, SMTP out to the sink.
    Relay,
}

/// A row.
#[derive(Clone, Debug)]
pub struct Case {
    /// What is done.
    pub work: Work,
    /// Sessions at once.
    pub sessions: usize,
    /// Messages a connection.
    pub per_connection: usize,
    /// Bytes of a message.
    pub size: usize,
    /// Recipients of a message.
    pub recipients: usize,
    /// At most that many messages in a run.
    pub messages: u64,
    /// No message is begun later than that after the start of a run.
    pub time: Duration,
}

/// Messages a connection where connections are not the point.
const MANY: usize = 1_000_000;

/// A large message: just below what Postfix takes by default.
const LARGE: usize = 10_000_000;

impl Case {
    fn new(work: Work, sessions: usize) -> Self {
        Self {
            work,
            sessions,
            per_connection: MANY,
            size: 1024,
            recipients: 1,
            messages: 20_000,
            time: Duration::from_secs(2),
        }
    }

    /// The first row of the budget.
    pub fn main_maildir() -> Self {
        Self::new(Work::Maildir, 10)
    }

    /// What it is called; also in the baseline.
    pub fn name(&self) -> String {
        let mut name = match self.work {
            Work::Maildir => "SMTP to Maildir".to_owned(),
            Work::Users => "SMTP to Maildir, many users".to_owned(),
            Work::Program => "SMTP to a program in .qmail".to_owned(),
            Work::Submit => "sendmail to Maildir".to_owned(),
            Work::Relay => "SMTP relayed".to_owned(),
        };
        name += &format!(", {}", size(self.size));
        if self.recipients > 1 {
            name += &format!(", {} recipients", self.recipients);
        }
        if self.per_connection == 1 {
            name += ", a connection each";
        }
        let noun = if self.work == Work::Submit { "program" } else { "session" };
        name + &format!(", {}", count(self.sessions, noun))
    }

    /// Whether its system calls are counted too: one row of each kind of work.
    pub fn is_counted(&self) -> bool {
        let plain = Self::new(self.work, 10);
        (self.sessions, self.size, self.recipients) == (plain.sessions, plain.size, plain.recipients)
            && self.per_connection > 1
    }

    /// One of the rows that the budget names.
    pub fn is_main(&self) -> bool {
        self.size == 1024
            && self.recipients == 1
            && self.per_connection > 1
            && matches!(self.work, Work::Maildir | Work::Relay)
            && self.sessions <= 50
    }
}

/// The rows of the short run: about fifteen seconds of load for each server.
pub fn quick() -> Vec<Case> {
    let mut cases = Vec::new();
    for work in [Work::Maildir, Work::Relay] {
        for sessions in [1, 10, 50] {
            cases.push(Case { time: Duration::from_millis(1500), ..Case::new(work, sessions) });
        }
    }
    cases
}

/// All rows.
pub fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for work in [Work::Maildir, Work::Relay] {
        cases.extend([1, 10, 50, 200].map(|sessions| Case::new(work, sessions)));
        cases.push(Case { per_connection: 1, ..Case::new(work, 10) });
        for (size, messages) in [(10 << 10, 10_000), (100 << 10, 3_000), (LARGE, 40)] {
            cases.push(Case { size, messages, ..Case::new(work, 10) });
        }
    }
    // As many deliveries as the slow ones do in half a minute.
    for (recipients, messages) in [(10, 600), (100, 60)] {
        cases.push(Case { recipients, messages, ..Case::new(Work::Users, 10) });
        cases.push(Case { recipients, messages, ..Case::new(Work::Relay, 10) });
    }
    cases.push(Case::new(Work::Users, 10));
    cases.push(Case { messages: 4_000, ..Case::new(Work::Program, 10) });
    for (at_once, messages) in [(1, 300), (10, 800)] {
        cases.push(Case { messages, ..Case::new(Work::Submit, at_once) });
    }
    cases
}

fn size(bytes: usize) -> String {
    match bytes {
        b if b >= LARGE => format!("{} MB", b / LARGE * 10),
        b => format!("{} KiB", b >> 10),
    }
}

fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
