//! The machine: its state, and which file hears which event.

use std::collections::VecDeque;

use contracts::QueueId;

use crate::clock::{ClockWatch, Millis};
use crate::lane::Lane;
use crate::message::Messages;
use crate::timing::Timing;
use crate::{Action, Channel, Event, Note, Now, PerChannel, Seconds, Slot, retry};

/// What the machine needs to know.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Slots of each channel, local and remote; 0 holds a channel. Already capped by what its spawner has.
    pub concurrency: [Slot; 2],
    /// How old a message gets, in seconds.
    pub lifetime: Seconds,
}

impl Default for Config {
    fn default() -> Self {
        Self { concurrency: [10, 20], lifetime: retry::QUEUE_LIFETIME_SECONDS }
    }
}

/// Looking through `todo`.
#[derive(Debug, Default)]
pub(crate) struct TodoScan {
    pub(crate) running: bool,
    /// Once more when this one is through.
    pub(crate) again: bool,
    /// Running, and waiting until what it has found is read.
    pub(crate) paused: bool,
    /// A hint found no room.
    pub(crate) dropped: bool,
    pub(crate) began: Millis,
    /// No other one before this, so that scans take at most half of the time however often they are asked for.
    pub(crate) rests_until: Millis,
}

/// A walk that goes on piece by piece, with pauses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Walk {
    /// A piece has been asked for.
    Asked,
    /// The next piece, or the next walk, is due then.
    Next { at: Millis, restart: bool },
    /// Never again.
    Over,
}

/// qmail-send's judgement.
#[derive(Debug)]
pub struct Schedule {
    pub(crate) config: Config,
    pub(crate) messages: Messages,
    pub(crate) lanes: [Lane; 2],
    pub(crate) clock: ClockWatch,
    pub(crate) timing: Timing,
    /// Named and not yet read.
    pub(crate) hints: VecDeque<QueueId>,
    /// Being read.
    pub(crate) reading: usize,
    pub(crate) todo_scan: TodoScan,
    pub(crate) info_walk: Walk,
    pub(crate) sweep: Walk,
    pub(crate) deliveries: u64,
    /// Answers that must come before we may leave.
    pub(crate) owed: usize,
    /// Those of them that `qmail-clean` owes.
    pub(crate) owed_by_clean: usize,
    pub(crate) clean_lives: bool,
    pub(crate) stop: Stop,
    pub(crate) out: Vec<Action>,
}

/// How far the end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stop {
    /// Nobody thinks of it.
    No,
    /// Nothing new is started.
    Asked,
    /// The times are being written.
    Saving,
    /// It is over.
    Left,
}

impl Schedule {
    /// A machine that knows nothing yet, and what it does first.
    pub fn start(config: Config, now: Now) -> (Self, Vec<Action>) {
        let [local, remote] = config.concurrency;
        let mut schedule = Self {
            config,
            messages: Messages::default(),
            lanes: [Lane::new(Channel::Local, local), Lane::new(Channel::Remote, remote)],
            clock: ClockWatch::new(now),
            timing: Timing::new(now),
            hints: VecDeque::new(),
            reading: 0,
            todo_scan: TodoScan { running: true, began: now.steady, ..TodoScan::default() },
            info_walk: Walk::Asked,
            sweep: Walk::Asked,
            deliveries: 0,
            owed: 0,
            owed_by_clean: 0,
            clean_lives: true,
            stop: Stop::No,
            out: Vec::new(),
        };
        schedule.status();
        schedule.out.extend([
            Action::ScanTodo { restart: true },
            Action::ScanInfo,
            Action::Sweep { restart: true },
        ]);
        let actions = std::mem::take(&mut schedule.out);
        (schedule, actions)
    }

    /// Hears what happened and says what to do.
    pub fn handle(&mut self, event: Event, now: Now) -> Vec<Action> {
        if self.clock.look(now) {
            let latest = now.wall.saturating_add(retry::longest_step(self.config.lifetime));
            self.lanes.iter_mut().for_each(|lane| lane.bring_forward(latest));
        }
        match event {
            Event::Hint(id) => self.hint(id),
            Event::ScanWanted => self.want_scan(now),
            Event::TodoFound { ids, end } => self.todo_found(&ids, end, now),
            Event::InfoFound { found, end } => self.info_found(&found, end, now),
            Event::Swept { orphans, end } => self.swept(&orphans, end, now),
            Event::Todo(id, todo) => self.todo_read(id, todo, now),
            Event::Settled(id, ok) => self.settled(id, ok, now),
            Event::Piece(id, channel, piece) => self.piece(id, channel, piece, now),
            Event::Report { channel, slot, outcome, text } => self.report(channel, slot, outcome, text, now),
            Event::Recorded(id, channel, result) => self.recorded(id, channel, result, now),
            Event::ChannelClosed(id, channel, ok) => self.channel_closed(id, channel, ok, now),
            Event::Buried(id, burial) => self.buried(id, burial, now),
            Event::Bounced(id, ok) => self.bounced(id, ok, now),
            Event::Cleaned(request, ok) => self.cleaned(request, ok, now),
            Event::TimesSaved => self.times_saved(),
            Event::Alarm => self.alarm(now),
            Event::Stop => self.stop_soon(),
            Event::SpawnerLost(channel) => {
                self.lanes.on_mut(channel).alive = false;
                self.stop_soon();
            }
            Event::CleanLost => {
                self.owed = self.owed.saturating_sub(self.owed_by_clean);
                self.owed_by_clean = 0;
                self.clean_lives = false;
                self.stop_soon();
            }
            Event::Tick => {}
        }
        self.go_on(now);
        std::mem::take(&mut self.out)
    }

    /// Starts whatever may start now.
    fn go_on(&mut self, now: Now) {
        if self.stop != Stop::No {
            self.leave_if_done();
            return;
        }
        self.on_time(now);
        self.read_hints(now);
        for channel in Channel::BOTH {
            self.open_passes(channel, now);
            self.start_deliveries(channel, now);
        }
    }

    /// Asks for something that must be answered before we may leave.
    pub(crate) fn ask(&mut self, action: Action) {
        self.owed = self.owed.saturating_add(1);
        if matches!(action, Action::Clean(_)) {
            if !self.clean_lives {
                self.owed = self.owed.saturating_sub(1);
                return;
            }
            self.owed_by_clean = self.owed_by_clean.saturating_add(1);
        }
        self.out.push(action);
    }

    /// Notes an answer.
    pub(crate) fn answered(&mut self) {
        self.owed = self.owed.saturating_sub(1);
    }

    pub(crate) fn log(&mut self, note: Note) {
        self.out.push(Action::Log(note));
    }

    pub(crate) fn status(&mut self) {
        let [local, remote] = &self.lanes;
        let note = Note::Status {
            used: [local.used(), remote.used()],
            of: [local.concurrency, remote.concurrency],
            stopping: self.stop != Stop::No,
        };
        self.log(note);
    }

    /// Changes how old messages get, from the next passes on.
    pub fn set_lifetime(&mut self, lifetime: Seconds) {
        self.config.lifetime = lifetime;
    }

    /// Messages that are known, wherever they stand.
    pub fn known(&self) -> usize {
        self.messages.len()
    }

    /// Whether anything waits, is in flight or is owed, apart from messages whose time has not come.
    pub fn is_idle(&self) -> bool {
        self.owed == 0 && self.hints.is_empty() && self.lanes.iter().all(|lane| lane.used() == 0)
    }
}
