//! The trade of `qmail-rspawn`: deliveries by `qmail-remote` (contract 9.1).
//!
//! Commands that wait together for the same message, sender and domain become one transaction of a warm
//! `qmail-remote`. With `QMAILREMOTE`, or a script in its place, or a program that does not say hello, every command
//! has a run of its own, as in the original.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use contracts::remote_worker::{self, RECIPIENTS_MAX, Transaction};
use os::process::Spawn;

use crate::checks::{self, Job};
use crate::child::{Capture, Ending, StartError};
use crate::desk::Desk;
use crate::program::Program;
use crate::remote_report;
use crate::trade::{Reason, Trade};
use crate::worker::{Matching, Terms};

/// One worker makes all deliveries; others may be on their way out.
pub const WORKERS_MAX: usize = 4;

/// Output of a run beyond this is cut; `qmail-send` keeps 10000 bytes of a report.
const OUTPUT_MAX_BYTES: usize = 64 * 1024;

/// A worker that leaves as it is asked is replaced this often before the delivery is deferred.
const ASKED_MAX: u8 = 3;

const TERMS: Terms = Terms {
    matching: Matching::Numbered,
    packet_max_bytes: remote_worker::PACKET_MAX_BYTES,
    hello_limit: Duration::from_secs(10),
    // The worker has deadlines of its own for all it does; this one is for a worker that has lost its mind.
    answer_limit: Duration::from_secs(25 * 3600),
    // Below the thirty seconds after which a worker leaves by itself.
    idle_limit: Duration::from_secs(25),
    spread: 1,
};

/// The state of `qmail-rspawn`.
#[derive(Debug)]
pub struct Remote {
    form: Form,
    /// Accepted and not yet handed on.
    groups: Vec<Group>,
}

#[derive(Debug)]
enum Form {
    /// Ours, as long as it is.
    Warm(Program),
    /// What QMAILREMOTE names: found by PATH, relative to queue/mess.
    Named(OsString),
}

/// Deliveries that are one transaction, or one delivery that has a run.
#[derive(Debug)]
pub struct Group {
    jobs: Vec<Job>,
    asked: u8,
}

impl Group {
    fn takes(&self, job: &Job) -> bool {
        self.jobs.len() < RECIPIENTS_MAX
            && self.jobs.first().is_some_and(|first| {
                first.message_name == job.message_name
                    && first.sender == job.sender
                    && first.domain().eq_ignore_ascii_case(job.domain())
            })
    }
}

impl Remote {
    /// `named` is the value of QMAILREMOTE, if it is set; `program` is our own `qmail-remote`.
    pub fn new(named: Option<OsString>, program: PathBuf) -> Self {
        let form = named.map_or_else(|| Form::Warm(Program::new(program)), Form::Named);
        Self { form, groups: Vec::new() }
    }

    /// Where `qmail-remote` is: as execvp(3) finds it, or below `home`; a private installation uses its own.
    pub fn find_program(home: &std::path::Path, is_private: bool) -> PathBuf {
        let own = home.join("bin/qmail-remote");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut found = std::env::split_paths(&path).map(|directory| directory.join("qmail-remote"));
        if is_private && own.exists() { own } else { found.find(|file| file.is_file()).unwrap_or(own) }
    }

    fn hand_on(&mut self, desk: &mut Desk<Self>, group: Group) {
        let Form::Warm(program) = &mut self.form else { return self.run_each(desk, group) };
        if !program.is_warm(Instant::now()) {
            return self.run_each(desk, group);
        }
        let Some(first) = group.jobs.first() else { return };
        // The worker reads it at offsets of its own: sharing the open file is sharing nothing.
        let Ok(message) = first.message.try_clone() else {
            return refuse_all(desk, &group, b"Zqmail-spawn unable to open message. (#4.3.0)\n");
        };
        let transaction = Transaction {
            host: first.domain().to_vec(),
            sender: first.sender.clone(),
            recipients: group.jobs.iter().map(|job| job.recipient.clone()).collect(),
        };
        let program = program.path().to_path_buf();
        let hire = || {
            let mut spawn = Spawn::new(program);
            // It is as much qmailr as we are, and may use our log.
            spawn.command().arg("--worker").stderr(std::process::Stdio::inherit());
            spawn
        };
        let encode = |number| remote_worker::encode_request(number, &transaction);
        let ticket = Group { asked: group.asked.saturating_add(1), ..group };
        desk.assign(&(), ticket, Some(message.into()), &TERMS, encode, hire);
    }

    /// The classic form: one process a delivery.
    fn run_each(&mut self, desk: &mut Desk<Self>, group: Group) {
        let program = match &self.form {
            Form::Warm(program) => program.path().as_os_str().to_os_string(),
            Form::Named(name) => name.clone(),
        };
        for job in group.jobs {
            let mut spawn = Spawn::new(&program);
            let arguments = [job.domain(), &job.sender, &job.recipient];
            spawn.command().args(arguments.map(OsStr::from_bytes));
            let slot = job.slot;
            // A message opened for this delivery alone: the program starts at its first byte.
            let Ok(message) = job.message.try_clone().map(|file: File| OwnedFd::from(file)) else {
                desk.report(slot, checks::NO_PIPE);
                continue;
            };
            let ticket = Group { jobs: vec![job], asked: 0 };
            let capture = Capture::OutputAndErrors;
            match desk.run(ticket, spawn, Some(message.as_fd()), capture, OUTPUT_MAX_BYTES) {
                Ok(()) => {}
                Err((StartError::Pipe(_), _)) => desk.report(slot, checks::NO_PIPE),
                Err((StartError::Run(error), _)) => desk.report(slot, cannot_run(&error)),
            }
        }
    }
}

impl Trade for Remote {
    type Key = ();
    type Ticket = Group;

    fn accept(&mut self, _desk: &mut Desk<Self>, job: Job) {
        match self.groups.iter_mut().find(|group| group.takes(&job)) {
            Some(group) => group.jobs.push(job),
            None => self.groups.push(Group { jobs: vec![job], asked: 0 }),
        }
    }

    fn settle(&mut self, desk: &mut Desk<Self>) {
        for group in std::mem::take(&mut self.groups) {
            self.hand_on(desk, group);
        }
    }

    fn answer(&mut self, desk: &mut Desk<Self>, (): &(), ticket: Group, packet: &[u8]) -> Result<(), Group> {
        let output = remote_worker::decode_answer(packet).ok().map(|(_, output)| output);
        let Some(reports) =
            output.and_then(|output| remote_report::of_transaction(output, ticket.jobs.len()))
        else {
            return Err(ticket);
        };
        for (job, report) in ticket.jobs.iter().zip(reports) {
            desk.report(job.slot, &report);
        }
        Ok(())
    }

    fn lost(
        &mut self,
        desk: &mut Desk<Self>,
        (): &(),
        ticket: Group,
        reason: Reason,
        _attached: Option<OwnedFd>,
    ) {
        match reason {
            Reason::Silent => {
                if let Form::Warm(program) = &mut self.form {
                    program.was_silent(Instant::now());
                }
                self.run_each(desk, ticket);
            }
            Reason::Unsendable => self.run_each(desk, ticket),
            Reason::Left if ticket.asked < ASKED_MAX => self.hand_on(desk, ticket),
            Reason::CannotStart(error) => refuse_all(desk, &ticket, cannot_run(&error)),
            Reason::Left | Reason::Crashed => refuse_all(desk, &ticket, remote_report::CRASHED),
        }
    }

    fn ended(&mut self, desk: &mut Desk<Self>, ticket: Group, ending: Ending) {
        let report = remote_report::of_run(ending.status.code(), &ending.output);
        refuse_all(desk, &ticket, &report);
    }
}

/// The same report for all of a group.
fn refuse_all(desk: &mut Desk<Remote>, group: &Group, report: &[u8]) {
    for job in &group.jobs {
        desk.report(job.slot, report);
    }
}

/// No process, or a program that does not execute: for now, or as it stands.
fn cannot_run(error: &io::Error) -> &'static [u8] {
    use nix::errno::Errno;
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EAGAIN | Errno::ENOMEM) => checks::NO_FORK,
        Some(
            Errno::ENOENT
            | Errno::EACCES
            | Errno::ENOTDIR
            | Errno::EISDIR
            | Errno::ENOEXEC
            | Errno::ELOOP
            | Errno::ENAMETOOLONG
            | Errno::EPERM
            | Errno::E2BIG
            | Errno::EINVAL,
        ) => remote_report::CANNOT_RUN,
        _ => remote_report::CANNOT_RUN_NOW,
    }
}
