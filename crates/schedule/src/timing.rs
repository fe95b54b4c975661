//! What happens because time went by: second tries after trouble, scans, the move to S5 of slow first attempts,
//! and the end.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use contracts::QueueId;
use contracts::clean::CleanRequest;

use crate::clock::{Millis, Now};
use crate::message::Phase;
use crate::pass::{Home, Pass};
use crate::schedule::{Stop, Walk};
use crate::{Action, Channel, Note, PerChannel, Schedule, Seconds, Unrecorded};

/// After a system error (SLEEP_SYSFAIL).
pub(crate) const SYSTEM_TROUBLE_MILLIS: Millis = 123_000;
/// After a failed write of a bounce file.
pub(crate) const BOUNCE_FILE_TROUBLE_MILLIS: Millis = 10_000;
/// `todo` is scanned at least so often (SLEEP_TODO).
const SCAN_PERIOD_MILLIS: Millis = 1_500_000;
/// Between the end of a sweep of `mess` and the next one (SLEEP_CLEANUP).
pub(crate) const SWEEP_PERIOD_MILLIS: Millis = 76_431_000;
/// Between two pieces of a sweep, so that it takes a bounded share of the disk.
pub(crate) const SWEEP_PAUSE_MILLIS: Millis = 20;
/// A message whose first attempts from S4 take longer than this together moves to S5.
const SLOW_MILLIS: Millis = 1_000;
/// The longest sleep (SLEEP_FOREVER).
const SLEEP_MAX_MILLIS: Millis = 86_400_000;

/// Something to be tried again.
#[derive(Clone, Debug)]
pub(crate) enum Errand {
    ReadTodo,
    Examine,
    Settle,
    Record(Channel, Box<Unrecorded>),
    CloseChannel(Channel),
    Bury,
    Bounce,
    CleanEnvelope,
    RemoveEnvelope,
}

/// The timers.
#[derive(Debug)]
pub(crate) struct Timing {
    errands: BTreeMap<(Millis, u64), (QueueId, Errand)>,
    count: u64,
    scan_at: Millis,
    /// Messages that are attempted from S4, oldest first.
    slow: VecDeque<(Millis, QueueId)>,
    /// An alarm came during the walk at start: nothing it finds is due later than this.
    pub(crate) due_when_found: Option<Seconds>,
}

impl Timing {
    pub(crate) fn new(now: Now) -> Self {
        let scan_at = now.steady.saturating_add(SCAN_PERIOD_MILLIS);
        Self { errands: BTreeMap::new(), count: 0, scan_at, slow: VecDeque::new(), due_when_found: None }
    }

    pub(crate) fn scanned(&mut self, now: Now) {
        self.scan_at = now.steady.saturating_add(SCAN_PERIOD_MILLIS);
    }

    /// Lets the next scan of `todo` come sooner.
    pub(crate) fn scan_by(&mut self, at: Millis) {
        self.scan_at = self.scan_at.min(at);
    }

    pub(crate) fn later(&mut self, now: Now, wait: Millis, id: QueueId, errand: Errand) {
        self.count = self.count.wrapping_add(1);
        self.errands.insert((now.steady.saturating_add(wait), self.count), (id, errand));
    }

    /// Whether something is to be tried again for a message. Errands are rare and few.
    pub(crate) fn has_errand(&self, id: QueueId) -> bool {
        self.errands.values().any(|(other, _)| *other == id)
    }

    /// Watches a message whose first attempts have begun.
    pub(crate) fn watch(&mut self, id: QueueId, now: Now) {
        self.slow.push_back((now.steady.saturating_add(SLOW_MILLIS), id));
    }

    fn next_errand(&mut self, now: Now) -> Option<(QueueId, Errand)> {
        let entry = self.errands.first_entry()?;
        (entry.key().0 <= now.steady).then(|| entry.remove())
    }
}

impl Schedule {
    /// Does what has become due.
    pub(crate) fn on_time(&mut self, now: Now) {
        while let Some(&(at, id)) = self.timing.slow.front()
            && at <= now.steady
        {
            self.timing.slow.pop_front();
            // A message of the same number may have come since; it is then younger than this.
            let is_slow = |pass: &Pass| {
                let long_ago = pass.began.is_some_and(|began| began.saturating_add(SLOW_MILLIS) <= at);
                pass.home == Home::Todo && long_ago
            };
            if self.lanes.iter().any(|lane| lane.passes.get(&id).is_some_and(is_slow)) {
                self.settle(id);
            }
        }
        if self.timing.scan_at <= now.steady {
            self.timing.scanned(now);
            self.want_scan(now);
        }
        if let Walk::Next { at, restart } = self.sweep
            && at <= now.steady
        {
            self.sweep = Walk::Asked;
            self.out.push(Action::Sweep { restart });
        }
        while let Some((id, errand)) = self.timing.next_errand(now) {
            self.run(id, errand);
        }
    }

    fn run(&mut self, id: QueueId, errand: Errand) {
        match errand {
            Errand::ReadTodo => self.hints.push_back(id),
            Errand::Examine => self.out.push(Action::Examine(id)),
            Errand::Settle => self.settle(id),
            Errand::Record(channel, unrecorded) => {
                let Unrecorded { offset, failure } = *unrecorded;
                self.lanes.on_mut(channel).records();
                self.ask(Action::Record { id, channel, offset, failure });
            }
            Errand::CloseChannel(channel) => self.ask(Action::CloseChannel(id, channel)),
            Errand::Bury => self.ask(Action::Bury(id)),
            Errand::Bounce => self.ask(Action::Bounce(id)),
            Errand::CleanEnvelope => self.ask(Action::Clean(CleanRequest::Envelope(id))),
            Errand::RemoveEnvelope => self.remove_from_todo(id),
        }
    }

    /// How long nothing happens by itself, in milliseconds.
    pub fn sleep_millis(&self, now: Now) -> Millis {
        if self.stop != Stop::No {
            return SLEEP_MAX_MILLIS;
        }
        let mut at = self.timing.scan_at;
        if let Some(&(slow, _)) = self.timing.slow.front() {
            at = at.min(slow);
        }
        if let Some((&(errand, _), _)) = self.timing.errands.first_key_value() {
            at = at.min(errand);
        }
        if let Walk::Next { at: sweep, .. } = self.sweep {
            at = at.min(sweep);
        }
        let mut sleep = at.saturating_sub(now.steady);
        for lane in &self.lanes {
            if let Some(&Reverse((due, _))) = lane.due.peek()
                && lane.takes_retry()
            {
                sleep = sleep.min(due.saturating_sub(now.wall).saturating_mul(1000));
            }
        }
        sleep.min(SLEEP_MAX_MILLIS)
    }

    /// SIGALRM, and a second chance for what nobody could read. What is just being put aside for later, and what the
    /// walk at start has not come to yet, is meant too: whoever rings cannot see such things.
    pub(crate) fn alarm(&mut self, now: Now) {
        for lane in &mut self.lanes {
            lane.bring_forward(now.wall);
            let with_result =
                lane.passes.values_mut().filter(|pass| !pass.held.is_empty() || pass.recording > 0);
            with_result.for_each(|pass| pass.next = now.wall);
        }
        if self.info_walk == Walk::Asked {
            self.timing.due_when_found = Some(now.wall);
        }
        for id in self.messages.quarantined() {
            self.messages.set_phase(id, Phase::Hinted);
            self.hints.push_back(id);
        }
    }

    /// Starts nothing more. Recipients that have been delivered from `todo` while others were not are written down
    /// now, or at the next report: the next start would deliver them again.
    pub(crate) fn stop_soon(&mut self) {
        if self.stop != Stop::No {
            return;
        }
        self.stop = Stop::Asked;
        let mut begun = BTreeSet::new();
        for lane in &self.lanes {
            let stands = |pass: &Pass| {
                let idle = pass.flying == 0 || (!lane.alive && !pass.held.is_empty());
                pass.home == Home::Todo && pass.began.is_some() && idle
            };
            begun.extend(lane.passes.iter().filter(|(_, pass)| stands(pass)).map(|(id, _)| *id));
        }
        begun.into_iter().for_each(|id| self.settle(id));
    }

    /// Leaves when nothing is in flight and nothing is owed.
    pub(crate) fn leave_if_done(&mut self) {
        let flying = self.lanes.iter().any(|lane| lane.alive && lane.used() > 0);
        if self.stop != Stop::Asked || flying || self.owed > 0 {
            return;
        }
        self.stop = Stop::Saving;
        let mut times = Vec::new();
        for channel in Channel::BOTH {
            let waiting = &self.lanes.on(channel).due;
            times.extend(waiting.iter().map(|&Reverse((due, id))| (id, channel, due)));
        }
        self.out.push(Action::SaveTimes(times));
    }

    pub(crate) fn times_saved(&mut self) {
        if self.stop == Stop::Saving {
            self.stop = Stop::Left;
            self.log(Note::Exiting);
            self.out.push(Action::Exit);
        }
    }
}
