//! The loop: one turn takes in whatever has happened, asks the machine what to do, and does it.
//!
//! Nothing here waits for a peer or a disk; the only wait is `poll`.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use contracts::clean::{CleanReply, CleanRequest};
use contracts::spawn::{Command, Outcome};
use contracts::trigger::Wake;
use nix::sys::signal::Signal;
use queue::preprocessed::Preprocessed;
use queue::{Layout, QueueId};
use schedule::{Action, Channel, Event, Note, Now, Schedule};
use telemetry::{Line, Verdict, line};

use crate::arrivals::{New, Reading, read_at_once};
use crate::cleaner::Cleaner;
use crate::log::Log;
use crate::parking::Parking;
use crate::settings::{Settings, Unreadable};
use crate::spawner::Spawner;
use crate::start::Parts;
use crate::trigger::Trigger;
use crate::watch::Ready;
use crate::work::{Bounce, Done, Kind, Quick, Synced, Walk, Work, warning};

/// Envelopes that one turn reads by itself; the threads read what is beyond.
const READS_A_TURN: usize = 64;

/// qmail-send.
pub(crate) struct Manager {
    home: PathBuf,
    pub(crate) log: Log,
    settings: Arc<Settings>,
    pub(crate) spawners: [Spawner; 2],
    pub(crate) cleaner: Cleaner,
    pub(crate) signals: nix::sys::signalfd::SignalFd,
    pub(crate) trigger: Option<Trigger>,
    pub(crate) work: Work,
    pub(crate) schedule: Schedule,
    layout: Layout,
    pub(crate) began: Instant,
    pub(crate) parking: Parking,
    /// Envelopes read in this turn that are still to be handled.
    read: VecDeque<Done>,
    /// How many more may be read in it.
    reads_left: usize,
    /// Work for the threads that this turn has found.
    jobs: Vec<Quick>,
    /// Of it, the marks, by file.
    marks: BTreeMap<(QueueId, bool), Vec<u64>>,
    /// Envelopes that were there before us, once they have been seen: a crash may have left more beside them.
    old: HashSet<QueueId>,
    /// All of those have been seen.
    knows_old: bool,
    left: bool,
}

impl Manager {
    pub(crate) fn new(home: &Path, log: Log, parts: Parts) -> (Self, Vec<Action>) {
        let Parts { settings, spawners, cleaner, signals, trigger, work, config } = parts;
        let began = Instant::now();
        let (schedule, actions) = Schedule::start(config, now(began));
        let layout = work.layout;
        let manager = Self {
            home: home.to_path_buf(),
            log,
            settings: Arc::new(settings),
            spawners,
            cleaner,
            signals,
            trigger,
            work,
            schedule,
            layout,
            began,
            parking: Parking::default(),
            read: VecDeque::new(),
            reads_left: 0,
            jobs: Vec::new(),
            marks: BTreeMap::new(),
            old: HashSet::new(),
            knows_old: false,
            left: false,
        };
        (manager, actions)
    }

    /// Runs until the machine says that it is over.
    pub(crate) fn run(mut self, first: Vec<Action>) {
        self.carry_out(first);
        self.flush();
        while !self.left {
            let ready = self.wait();
            self.turn(ready);
            self.flush();
        }
        self.log.flush_all();
    }

    fn turn(&mut self, ready: Ready) {
        self.reads_left = READS_A_TURN;
        if ready.signals {
            self.hear_signals();
        }
        if ready.clean {
            self.hear_cleaner();
        }
        if ready.results {
            for done in self.work.results.take() {
                self.take_in(done);
            }
        }
        for channel in Channel::BOTH {
            if ready.reports.contains(&channel) {
                self.hear_spawner(channel);
            }
        }
        if ready.trigger {
            self.hear_trigger();
        }
        self.leave_parking();
        self.handle(Event::Tick);
        while let Some(done) = self.read.pop_front() {
            self.take_in(done);
        }
    }

    fn handle(&mut self, event: Event) {
        let actions = self.schedule.handle(event, now(self.began));
        self.carry_out(actions);
    }

    fn hear_signals(&mut self) {
        while let Ok(Some(signal)) = self.signals.read_signal() {
            match i32::try_from(signal.ssi_signo).ok().and_then(|number| Signal::try_from(number).ok()) {
                Some(Signal::SIGTERM) => self.handle(Event::Stop),
                Some(Signal::SIGALRM) => self.handle(Event::Alarm),
                Some(Signal::SIGHUP) => self.read_settings_again(),
                _ => {}
            }
        }
    }

    fn read_settings_again(&mut self) {
        let mut warnings = Vec::new();
        match Settings::read(&self.home, &mut |warning| warnings.push(warning)) {
            Ok(settings) => {
                self.schedule.set_lifetime(settings.lifetime);
                self.settings = Arc::new(settings);
            }
            Err(Unreadable::Locals(_)) => self.log.line(line::REREAD_LOCALS),
            Err(Unreadable::VirtualDomains(_)) => self.log.line(line::REREAD_VIRTUALDOMAINS),
            Err(Unreadable::Other(why)) => {
                self.log.line(Line::Alert("unable to reread controls"));
                self.log.line(Line::Setting(&why.to_string()));
            }
        }
        for warning in warnings {
            self.log.line(Line::Setting(&warning.to_string()));
        }
    }

    fn hear_cleaner(&mut self) {
        let mut answers = Vec::new();
        let lives = self.cleaner.read(|request, reply| answers.push((request, reply)));
        for (request, reply) in answers {
            let ok = reply == CleanReply::Done;
            if !ok {
                let file = match request {
                    CleanRequest::Message(id) => self.layout.message(id),
                    CleanRequest::Envelope(id) | CleanRequest::Hold(id) => self.layout.envelope(id),
                };
                self.log.lines(&warning("qmail-clean unable to clean up ", &file, ""));
            }
            self.handle(Event::Cleaned(request, ok));
        }
        if !lives {
            self.lose_cleaner();
        }
    }

    fn lose_cleaner(&mut self) {
        if std::mem::take(&mut self.cleaner.alive) {
            self.log.line(line::LOST_CLEAN);
            self.handle(Event::CleanLost);
        }
    }

    fn hear_spawner(&mut self, channel: Channel) {
        let mut reports = Vec::new();
        let lives = self.spawner(channel).read(|report| reports.push(report));
        for report in reports {
            let (slot, outcome, text) = (report.slot, report.outcome, report.text);
            self.handle(Event::Report { channel, slot, outcome, text });
        }
        if !lives {
            self.lose_spawner(channel);
        }
    }

    fn lose_spawner(&mut self, channel: Channel) {
        if std::mem::take(&mut self.spawner(channel).alive) {
            self.log.line(line::LOST_SPAWN);
            self.handle(Event::SpawnerLost(channel));
        }
    }

    fn spawner(&mut self, channel: Channel) -> &mut Spawner {
        let [local, remote] = &mut self.spawners;
        match channel {
            Channel::Local => local,
            Channel::Remote => remote,
        }
    }

    fn hear_trigger(&mut self) {
        let mut wakes = Vec::new();
        if let Some(trigger) = &mut self.trigger {
            trigger.read(|wake| wakes.push(wake));
        }
        let mut scan = false;
        for wake in wakes {
            match wake {
                Wake::Hint(id) => self.handle(Event::Hint(id)),
                Wake::Scan => scan = true,
            }
        }
        if scan {
            self.handle(Event::ScanWanted);
        }
    }

    /// Logs and handles a result, unless it is to wait for an earlier cause.
    fn take_in(&mut self, done: Done) {
        let Some(done) = self.parking.park(done) else { return };
        let kind = done.kind;
        self.accept(done);
        if let Kind::BounceSent(number) = kind {
            self.parking.ended(number);
            self.leave_parking();
        }
    }

    fn leave_parking(&mut self) {
        for done in self.parking.leave() {
            self.accept(done);
        }
    }

    fn accept(&mut self, done: Done) {
        if let Event::TodoFound { ids, end } = &done.event
            && !self.knows_old
        {
            self.old.extend(ids);
            self.knows_old = *end;
        }
        self.log.lines(&done.log);
        self.handle(done.event);
    }

    fn carry_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Log(note) => self.note(&note),
                Action::ScanTodo { restart } => self.work.walks.push(Walk::Todo { restart }),
                Action::ScanInfo => self.work.walks.push(Walk::Info),
                Action::Sweep { restart } => {
                    self.work.walks.push(Walk::Messages { restart, now: now(self.began).wall });
                }
                Action::Examine(id) => self.jobs.push(Quick::Examine(id)),
                Action::ReadTodo(id) => self.read_todo(id),
                Action::Settle { id, sender, recipients, birth } => {
                    let birth = i64::try_from(birth).unwrap_or(i64::MAX);
                    let mut message = Preprocessed::new(id, &sender, birth);
                    for (channel, recipients) in Channel::BOTH.into_iter().zip(recipients) {
                        recipients.iter().for_each(|recipient| message.add(channel, recipient));
                    }
                    self.work.synced.push(Synced::Settle(message));
                }
                Action::Open { id, channel, offset } => {
                    self.jobs.push(Quick::Open { id, channel, offset });
                }
                Action::Deliver { channel, slot, id, sender, recipient } => {
                    let command = Command {
                        slot,
                        message: self.layout.name(id).into_bytes(),
                        sender: address::verp::expand(&sender, &recipient),
                        recipient: recipient.to_vec(),
                    };
                    self.spawner(channel).send(&command);
                }
                Action::Record { id, channel, offset, failure: None } => {
                    self.marks.entry((id, channel == Channel::Remote)).or_default().push(offset);
                }
                Action::Record { id, channel, offset, failure: Some(failure) } => {
                    let routing = Arc::clone(&self.settings.routing);
                    self.work.synced.push(Synced::Record { id, channel, offset, failure, routing });
                }
                Action::CloseChannel(id, channel) => self.jobs.push(Quick::CloseChannel(id, channel)),
                Action::Bury(id) => self.jobs.push(Quick::Bury(id)),
                Action::Bounce(id) => {
                    let sequence = self.parking.begin();
                    let (settings, now) = (Arc::clone(&self.settings), now(self.began).wall);
                    self.work.bounces.push(Bounce { id, settings, sequence, now });
                }
                Action::Clean(request) => self.cleaner.ask(request),
                Action::SetAside(id) => self.jobs.push(Quick::SetAside(id)),
                Action::SaveTimes(times) => self.work.walks.push(Walk::SaveTimes(times)),
                Action::Exit => self.left = true,
            }
        }
    }

    fn read_todo(&mut self, id: QueueId) {
        let routing = &self.settings.routing;
        let is_old = self.old.remove(&id);
        let new = New { id, stale: is_old || !self.knows_old || self.work.results.is_doubtful() };
        if let Some(left) = self.reads_left.checked_sub(1) {
            self.reads_left = left;
            match read_at_once(&self.work.at_once, &self.work.synced, new, routing) {
                Reading::Done(done) => return self.read.push_back(done),
                Reading::Passed => return,
                Reading::WouldWait => {}
            }
        }
        self.jobs.push(Quick::ReadTodo(new, Arc::clone(routing)));
    }

    fn note(&mut self, note: &Note) {
        let line = match note {
            Note::Status { used, of, stopping } => Line::Status { used: *used, of: *of, stopping: *stopping },
            Note::Starting { number, id, channel, recipient } => {
                Line::Starting { delivery: *number, id: id.0, channel: channel.name(), recipient }
            }
            Note::Ended { number, outcome: Outcome::Mangled, .. } => Line::Mangled(*number),
            Note::Ended { number, outcome, text } => {
                let verdict = match outcome {
                    Outcome::Delivered => Verdict::Delivered,
                    Outcome::Failed => Verdict::Failed,
                    Outcome::Deferred | Outcome::Mangled => Verdict::Deferred,
                };
                Line::Ended { delivery: *number, verdict, text }
            }
            Note::OutOfRange => line::OUT_OF_RANGE,
            Note::UnknownRecord(id, channel) => {
                let file = self.layout.channel(*channel, *id);
                self.log.lines(&warning("unknown record type in ", &file, "!"));
                return;
            }
            Note::MessageEnded(id) => Line::EndMessage(id.0),
            Note::SetAside(id) => Line::SetAside(id.0),
            Note::Exiting => Line::Exiting,
        };
        self.log.line(line);
    }

    /// Hands on what the turn has produced: commands, requests, jobs, log.
    fn flush(&mut self) {
        let marks = std::mem::take(&mut self.marks).into_iter().map(|((id, is_remote), offsets)| {
            let channel = if is_remote { Channel::Remote } else { Channel::Local };
            Quick::Mark { id, channel, offsets }
        });
        self.jobs.extend(marks);
        if !self.jobs.is_empty() {
            self.work.quick.push_all(self.jobs.drain(..));
        }
        for channel in Channel::BOTH {
            let spawner = self.spawner(channel);
            if spawner.alive && spawner.commands.flush().is_err() {
                self.lose_spawner(channel);
            }
        }
        if self.cleaner.alive && self.cleaner.requests.flush().is_err() {
            self.lose_cleaner();
        }
        self.log.flush();
    }
}

pub(crate) fn now(began: Instant) -> Now {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_secs());
    let steady = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Now { wall, steady }
}
