//! How a message becomes known: hints, scans, reading `todo`, the first scan of `info`.

use std::sync::Arc;

use contracts::QueueId;
use contracts::clean::CleanRequest;

use crate::lane::Lane;
use crate::message::{Course, Phase};
use crate::pass::{Class, Pass};
use crate::schedule::{Stop, Walk};
use crate::timing::{Errand, SYSTEM_TROUBLE_MILLIS};
use crate::{Action, Channel, Found, Now, PerChannel, Recipient, Schedule, Seconds, Todo, retry};

/// Envelopes that are read at the same time. Many, since their writing shares syncs.
const READING_MAX: usize = 256;
/// Names that wait to be read. A scan pauses here and goes on when half of them are read; hints beyond are dropped and
/// found by a scan: any local user can write hints, and must not fill our memory.
const HINTS_MAX: usize = 100_000;
/// Messages with one recipient whose first attempt waits in S4 on one channel. What comes beyond is moved to S5, which costs
/// three files and their syncs, and waits there cheaply.
const WAITING_IN_S4_MAX: usize = 10_000;
/// Messages that wait in S4 on one channel when one with several recipients joins them: those need more memory.
const WAITING_BEFORE_SEVERAL_MAX: usize = 1000;

impl Schedule {
    /// Somebody says that a message is in `todo`.
    pub(crate) fn hint(&mut self, id: QueueId) {
        match self.messages.phase(id) {
            None if self.hints.len() >= HINTS_MAX.saturating_mul(2) => self.todo_scan.dropped = true,
            None => {
                self.messages.add(id, Phase::Hinted, self.clock.epoch());
                self.hints.push_back(id);
            }
            // Its own `todo` file is what is meant.
            Some(Phase::Hinted | Phase::Quarantined | Phase::Attempted | Phase::Arriving) => {}
            // Its number may be in use again by the time we have forgotten it.
            Some(_) => {
                if let Some(message) = self.messages.of(id) {
                    message.again = true;
                }
            }
        }
    }

    pub(crate) fn want_scan(&mut self, now: Now) {
        let scan = &mut self.todo_scan;
        if scan.running {
            scan.again = true;
        } else if now.steady < scan.rests_until {
            self.timing.scan_by(scan.rests_until);
        } else if self.stop == Stop::No {
            (scan.running, scan.began) = (true, now.steady);
            self.out.push(Action::ScanTodo { restart: true });
        }
    }

    pub(crate) fn todo_found(&mut self, ids: &[QueueId], end: bool, now: Now) {
        for &id in ids {
            self.hint(id);
        }
        if self.stop != Stop::No {
            self.todo_scan.running = false;
        } else if !end && self.hints.len() >= HINTS_MAX {
            self.todo_scan.paused = true;
        } else if !end {
            self.out.push(Action::ScanTodo { restart: false });
        } else {
            let scan = &mut self.todo_scan;
            scan.running = false;
            scan.rests_until = now.steady.saturating_add(now.steady.saturating_sub(scan.began));
            let again = std::mem::take(&mut scan.again);
            self.timing.scanned(now);
            if again {
                self.want_scan(now);
            }
        }
    }

    /// Reads what has been named, some at a time.
    pub(crate) fn read_hints(&mut self, now: Now) {
        if self.hints.len() < HINTS_MAX / 2 {
            if std::mem::take(&mut self.todo_scan.paused) {
                self.out.push(Action::ScanTodo { restart: false });
            }
            if std::mem::take(&mut self.todo_scan.dropped) {
                self.want_scan(now);
            }
        }
        while self.reading < READING_MAX {
            let Some(id) = self.hints.pop_front() else { return };
            if self.messages.phase(id) != Some(Phase::Hinted) {
                continue;
            }
            self.messages.set_phase(id, Phase::Reading);
            self.reading = self.reading.saturating_add(1);
            self.ask(Action::ReadTodo(id));
        }
    }

    pub(crate) fn todo_read(&mut self, id: QueueId, todo: Todo, now: Now) {
        self.answered();
        self.reading = self.reading.saturating_sub(1);
        if self.messages.phase(id) != Some(Phase::Reading) {
            return;
        }
        match todo {
            Todo::Few { sender, recipients, birth } => {
                self.attempt_from_todo(id, &sender, recipients, birth, now)
            }
            Todo::Settled { channels } => {
                self.messages.set_phase(id, Phase::Arriving);
                for channel in Channel::BOTH {
                    if *channels.on(channel) {
                        self.set_course(id, channel, Course::Waiting);
                    }
                }
                self.ask(Action::Clean(CleanRequest::Envelope(id)));
            }
            Todo::Gone | Todo::NoMessage => self.forget(id),
            Todo::Broken => {
                self.messages.set_phase(id, Phase::Quarantined);
                self.ask(Action::Clean(CleanRequest::Hold(id)));
            }
            Todo::Trouble => {
                self.messages.set_phase(id, Phase::Hinted);
                self.timing.later(now, SYSTEM_TROUBLE_MILLIS, id, Errand::ReadTodo);
            }
        }
    }

    /// Opens passes over recipients that are in no channel file yet.
    fn attempt_from_todo(
        &mut self,
        id: QueueId,
        sender: &Arc<[u8]>,
        recipients: [Vec<Recipient>; 2],
        birth: Seconds,
        now: Now,
    ) {
        self.messages.set_phase(id, Phase::Attempted);
        let several = recipients.iter().map(Vec::len).fold(0, usize::saturating_add) > 1;
        let most = if several { WAITING_BEFORE_SEVERAL_MAX } else { WAITING_IN_S4_MAX };
        let mut crowded = false;
        for (channel, recipients) in Channel::BOTH.into_iter().zip(recipients) {
            if recipients.is_empty() {
                continue;
            }
            self.set_course(id, channel, Course::Open);
            let lane: &mut Lane = self.lanes.on_mut(channel);
            crowded |= lane.concurrency == 0 || lane.ready() >= most;
            let next = retry::next_attempt(birth, now.wall, channel);
            lane.passes.insert(id, Pass::of_few(Arc::clone(sender), recipients, birth, next));
        }
        if crowded {
            self.settle(id);
        } else {
            self.lanes.iter_mut().for_each(|lane| lane.enrol(id));
        }
    }

    /// The envelope is gone from `todo`: S5 is reached.
    pub(crate) fn arrived(&mut self, id: QueueId) {
        self.messages.set_phase(id, Phase::Queued);
        let Some(courses) = self.messages.of(id).map(|message| message.courses) else { return };
        for channel in Channel::BOTH {
            if *courses.on(channel) == Course::Waiting {
                self.lanes.on_mut(channel).first.push_back(id);
            }
        }
        self.bury_if_finished(id);
    }

    pub(crate) fn info_found(&mut self, found: &[Found], end: bool, now: Now) {
        for &found in found {
            match found {
                Found::Message { id, due } => {
                    match self.messages.phase(id) {
                        None => self.messages.add(id, Phase::Queued, self.clock.epoch()),
                        Some(Phase::Unexamined) => self.messages.set_phase(id, Phase::Queued),
                        // It has come in, and perhaps even been tried, since we started.
                        Some(_) => continue,
                    }
                    for channel in Channel::BOTH {
                        if let &Some(due) = due.on(channel) {
                            let latest = self.timing.due_when_found.unwrap_or(due);
                            self.wait(id, channel, due.min(latest));
                        }
                    }
                    self.bury_if_finished(id);
                }
                Found::Trouble(id) => {
                    if !self.messages.contains(id) {
                        self.messages.add(id, Phase::Unexamined, self.clock.epoch());
                    }
                    if self.messages.phase(id) == Some(Phase::Unexamined) {
                        self.timing.later(now, SYSTEM_TROUBLE_MILLIS, id, Errand::Examine);
                    }
                }
            }
        }
        if self.info_walk == Walk::Asked {
            if end || self.stop != Stop::No {
                self.info_walk = Walk::Over;
            } else {
                self.out.push(Action::ScanInfo);
            }
        }
    }

    /// Opens passes for what is due, first attempts and retries.
    pub(crate) fn open_passes(&mut self, channel: Channel, now: Now) {
        loop {
            let lane = self.lanes.on_mut(channel);
            let first = if lane.takes_first() { lane.first.pop_front() } else { None };
            let (id, class) = match first {
                Some(id) => (id, Class::First),
                None if lane.takes_retry() => match lane.due.peek() {
                    Some(&std::cmp::Reverse((due, id))) if due <= now.wall => {
                        lane.due.pop();
                        (id, Class::Again)
                    }
                    _ => return,
                },
                None => return,
            };
            lane.open_pass(id, class);
            self.set_course(id, channel, Course::Open);
            self.out.push(Action::Open { id, channel, offset: 0 });
        }
    }

    pub(crate) fn set_course(&mut self, id: QueueId, channel: Channel, course: Course) {
        if let Some(message) = self.messages.of(id) {
            *message.courses.on_mut(channel) = course;
        }
    }

    /// Puts a message on its channel's waiting list.
    pub(crate) fn wait(&mut self, id: QueueId, channel: Channel, due: u64) {
        self.set_course(id, channel, Course::Waiting);
        self.lanes.on_mut(channel).due.push(std::cmp::Reverse((due, id)));
    }

    /// Forgets a message, and looks again if its number has been named meanwhile.
    pub(crate) fn forget(&mut self, id: QueueId) {
        if self.messages.forget(id) {
            self.hint(id);
        }
    }
}
