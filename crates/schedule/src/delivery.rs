//! Deliveries and what becomes of them: passes that read on, reports, results written down, the move to S5.

use std::sync::Arc;

use contracts::QueueId;
use contracts::clean::CleanRequest;
use contracts::spawn::Outcome;

use crate::message::{Course, Phase};
use crate::pass::{Class, Home, Reading};
use crate::schedule::Stop;
use crate::timing::{BOUNCE_FILE_TROUBLE_MILLIS, Errand, SYSTEM_TROUBLE_MILLIS};
use crate::{
    Action, Channel, Failure, Note, Now, PerChannel, Piece, Recipient, Schedule, Slot, Then, Unrecorded,
    retry,
};

/// An unreadable info file is looked at once a day (D27).
const BROKEN_SECONDS: u64 = 86_400;

impl Schedule {
    pub(crate) fn start_deliveries(&mut self, channel: Channel, now: Now) {
        let mut number = self.deliveries.saturating_add(1);
        while let Some((slot, flight, sender)) = self.lanes.on_mut(channel).start(number, now.steady) {
            self.deliveries = number;
            let (id, recipient) = (flight.id, flight.recipient.address);
            self.log(Note::Starting { number, id, channel, recipient: recipient.clone() });
            self.status();
            self.out.push(Action::Deliver { channel, slot, id, sender, recipient });
            match self.lanes.on(channel).passes.get(&id).map(|pass| (pass.home, pass.began)) {
                Some((Home::Todo, None)) => {
                    let passes = self.lanes.iter_mut().filter_map(|lane| lane.passes.get_mut(&id));
                    passes.for_each(|pass| pass.began = Some(now.steady));
                    self.timing.watch(id, now);
                }
                Some((Home::Todo, Some(_))) => {}
                _ => self.read_on(id, channel),
            }
            number = number.saturating_add(1);
        }
    }

    /// Asks for more recipients when few are left, and says so when no more can be read.
    fn read_on(&mut self, id: QueueId, channel: Channel) {
        let Some(pass) = self.lanes.on_mut(channel).passes.get_mut(&id) else { return };
        if let Some(offset) = pass.reads_on_at() {
            pass.reading = Reading::Asked;
            self.out.push(Action::Open { id, channel, offset });
        } else if pass.reading == Reading::Stands(Then::Broken) && pass.ready.is_empty() && !pass.left {
            pass.left = true;
            self.log(Note::UnknownRecord(id, channel));
        }
    }

    pub(crate) fn piece(&mut self, id: QueueId, channel: Channel, piece: Piece, now: Now) {
        let (lifetime, epoch) = (self.config.lifetime, self.clock.epoch());
        let Some(message) = self.messages.of(id) else { return };
        let Some(pass) = self.lanes.on_mut(channel).passes.get_mut(&id) else { return };
        match piece {
            Piece::Read { sender, birth, recipients, then } => {
                if pass.next == 0 {
                    pass.next = retry::next_attempt(birth, now.wall, channel);
                    // A message that waited in todo while we were down still gets more than one attempt.
                    let believed = pass.class == Class::Again && self.clock.believes_age(message.epoch);
                    pass.last = believed && retry::is_too_old(birth, now.wall, lifetime);
                    pass.birth = birth;
                    pass.sender = sender;
                    message.epoch = epoch;
                }
                pass.ready.extend(recipients);
                pass.reading = Reading::Stands(then);
                self.lanes.on_mut(channel).enrol(id);
                self.read_on(id, channel);
                self.end_pass(id, channel, now);
            }
            Piece::Gone => {
                self.lanes.on_mut(channel).close_pass(id);
                self.set_course(id, channel, Course::Done);
                let finished = self.messages.of(id).is_some_and(|m| m.courses == [Course::Done; 2]);
                if finished {
                    self.forget(id);
                }
            }
            // What is in flight comes down first; then the pass ends early.
            Piece::Broken | Piece::Trouble => {
                let wait = if matches!(piece, Piece::Broken) {
                    BROKEN_SECONDS
                } else {
                    SYSTEM_TROUBLE_MILLIS / 1000
                };
                pass.next = now.wall.saturating_add(wait);
                pass.left = true;
                pass.reading = Reading::Stands(Then::End);
                self.end_pass(id, channel, now);
            }
        }
    }

    pub(crate) fn report(
        &mut self,
        channel: Channel,
        slot: Slot,
        outcome: Outcome,
        mut text: Vec<u8>,
        now: Now,
    ) {
        let Some(flight) = self.lanes.on_mut(channel).land(slot) else {
            self.log(Note::OutOfRange);
            return;
        };
        let id = flight.id;
        let deferred = matches!(outcome, Outcome::Deferred | Outcome::Mangled);
        self.lanes.on_mut(channel).judge(&flight, deferred, now.steady);
        let Some(pass) = self.lanes.on_mut(channel).passes.get_mut(&id) else { return };
        pass.flying = pass.flying.saturating_sub(1);
        let home = pass.home;
        let outcome = if outcome == Outcome::Deferred && pass.last {
            text.extend_from_slice(retry::GIVING_UP);
            Outcome::Failed
        } else {
            outcome
        };
        let text: Arc<[u8]> = text.into();
        self.log(Note::Ended { number: flight.number, outcome, text: text.clone() });
        self.status();
        if home == Home::Channel {
            self.take_result(id, channel, outcome, flight.recipient, text);
            self.end_pass(id, channel, now);
            return;
        }
        let Some(pass) = self.lanes.on_mut(channel).passes.get_mut(&id) else { return };
        if home == Home::Todo && outcome == Outcome::Delivered && pass.is_delivered() {
            self.finish_in_todo(id, channel);
            return;
        }
        pass.held.push((outcome, flight.recipient, text));
        // Nothing more is started after a stop: what has been delivered must not be forgotten.
        if home == Home::Todo && (outcome != Outcome::Delivered || self.stop != Stop::No) {
            self.settle(id);
        }
    }

    /// All recipients of a channel have been delivered, and nothing of it has ever been in S5.
    fn finish_in_todo(&mut self, id: QueueId, channel: Channel) {
        self.lanes.on_mut(channel).passes.remove(&id);
        if self.lanes.iter().any(|lane| lane.passes.contains_key(&id)) {
            self.set_course(id, channel, Course::Done);
        } else {
            self.remove_from_todo(id);
        }
    }

    /// What a result means for a message in S5.
    fn take_result(
        &mut self,
        id: QueueId,
        channel: Channel,
        outcome: Outcome,
        recipient: Recipient,
        text: Arc<[u8]>,
    ) {
        let Some(pass) = self.lanes.on_mut(channel).passes.get_mut(&id) else { return };
        let failure = match outcome {
            Outcome::Deferred | Outcome::Mangled => {
                pass.left = true;
                return;
            }
            Outcome::Delivered => None,
            Outcome::Failed => Some(Failure { recipient: recipient.address, text }),
        };
        pass.recording = pass.recording.saturating_add(1);
        self.lanes.on_mut(channel).records();
        self.ask(Action::Record { id, channel, offset: recipient.offset, failure });
    }

    pub(crate) fn recorded(
        &mut self,
        id: QueueId,
        channel: Channel,
        result: Result<(), Unrecorded>,
        now: Now,
    ) {
        self.answered();
        self.lanes.on_mut(channel).recorded();
        match result {
            Ok(()) => {
                if let Some(pass) = self.lanes.on_mut(channel).passes.get_mut(&id) {
                    pass.recording = pass.recording.saturating_sub(1);
                }
                self.end_pass(id, channel, now);
            }
            Err(unrecorded) => {
                let errand = Errand::Record(channel, Box::new(unrecorded));
                self.timing.later(now, BOUNCE_FILE_TROUBLE_MILLIS, id, errand);
            }
        }
    }

    /// Ends a pass when nothing of it is under way.
    fn end_pass(&mut self, id: QueueId, channel: Channel, now: Now) {
        let lane = self.lanes.on_mut(channel);
        let Some(pass) = lane.passes.get(&id) else { return };
        let Some(then) = pass.end() else { return };
        let (left, next) = (pass.left || then == Then::Broken, pass.next);
        lane.close_pass(id);
        if left {
            // A pass that was late by more than the curve's step is not repeated in a rush.
            let latest =
                now.wall.saturating_add(retry::longest_step(self.config.lifetime).max(BROKEN_SECONDS));
            self.wait(id, channel, next.clamp(now.wall.saturating_add(1), latest));
        } else {
            self.ask(Action::CloseChannel(id, channel));
        }
    }

    pub(crate) fn channel_closed(&mut self, id: QueueId, channel: Channel, ok: bool, now: Now) {
        self.answered();
        if ok {
            self.set_course(id, channel, Course::Done);
            self.bury_if_finished(id);
        } else {
            self.timing.later(now, SYSTEM_TROUBLE_MILLIS, id, Errand::CloseChannel(channel));
        }
    }

    /// Moves a message from S4 to S5: its first attempts have not delivered it, or take their time.
    pub(crate) fn settle(&mut self, id: QueueId) {
        let (mut recipients, mut of) = (<[Vec<Arc<[u8]>>; 2]>::default(), None);
        for (lane, recipients) in self.lanes.iter_mut().zip(&mut recipients) {
            let Some(pass) = lane.passes.get_mut(&id).filter(|pass| pass.home != Home::Channel) else {
                continue;
            };
            pass.home = Home::Moving;
            of = Some((Arc::clone(&pass.sender), pass.birth));
            // Each of its recipients waits, flies or has a result; their offsets count on all of them.
            let Some(pass) = lane.passes.get(&id) else { continue };
            let held = pass.held.iter().map(|(_, recipient, _)| recipient);
            let flying = lane.in_flight(id).map(|flight| &flight.recipient);
            let mut all: Vec<&Recipient> = pass.ready.iter().chain(held).chain(flying).collect();
            all.sort_unstable_by_key(|recipient| recipient.offset);
            recipients.extend(all.into_iter().map(|recipient| Arc::clone(&recipient.address)));
        }
        let Some((sender, birth)) = of else { return };
        self.ask(Action::Settle { id, sender, recipients, birth });
    }

    pub(crate) fn settled(&mut self, id: QueueId, ok: bool, now: Now) {
        self.answered();
        if ok {
            self.ask(Action::Clean(CleanRequest::Envelope(id)));
            return;
        }
        if !self.moves(id) {
            return;
        }
        let passes = || self.lanes.iter().filter_map(|lane| lane.passes.get(&id));
        if passes().all(|pass| pass.home == Home::Moving && pass.is_delivered()) {
            // It needs no S5 any more.
            for channel in Channel::BOTH {
                self.lanes.on_mut(channel).passes.remove(&id);
                self.set_course(id, channel, Course::Done);
            }
            self.remove_from_todo(id);
            return;
        }
        self.timing.later(now, SYSTEM_TROUBLE_MILLIS, id, Errand::Settle);
    }

    /// Whether a message moves from S4 to S5.
    fn moves(&self, id: QueueId) -> bool {
        self.lanes.iter().any(|lane| lane.passes.get(&id).is_some_and(|pass| pass.home == Home::Moving))
    }

    /// The envelope is gone from `todo`: its passes go on in S5.
    pub(crate) fn moved(&mut self, id: QueueId, now: Now) {
        if self.moves(id) {
            self.messages.set_phase(id, Phase::Queued);
            Channel::BOTH.into_iter().for_each(|channel| self.pass_moved(id, channel, now));
        }
    }

    fn pass_moved(&mut self, id: QueueId, channel: Channel, now: Now) {
        let lane = self.lanes.on_mut(channel);
        let Some(pass) = lane.passes.get_mut(&id).filter(|pass| pass.home == Home::Moving) else { return };
        if pass.held.is_empty() && pass.flying == 0 {
            // It has not been attempted: it waits for its turn on disk.
            lane.passes.remove(&id);
            lane.first.push_back(id);
            self.set_course(id, channel, Course::Waiting);
            return;
        }
        pass.home = Home::Channel;
        let delivered = pass.is_delivered();
        let held = std::mem::take(&mut pass.held);
        lane.count_pass(id);
        // No marks are needed on a file that goes at once.
        for (outcome, recipient, text) in held.into_iter().filter(|_| !delivered) {
            self.take_result(id, channel, outcome, recipient, text);
        }
        self.end_pass(id, channel, now);
    }
}
