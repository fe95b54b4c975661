//! Deliveries and what becomes of them: passes that read on, reports, results written down, the move to S5.

use std::sync::Arc;

use contracts::QueueId;
use contracts::clean::CleanRequest;
use contracts::spawn::Outcome;

use crate::message::{Course, Phase};
use crate::pass::{Class, Home, Reading};
use crate::timing::{BOUNCE_FILE_TROUBLE_MILLIS, Errand, SYSTEM_TROUBLE_MILLIS};
use crate::{
    Action, Channel, Failure, Note, Now, PerChannel, Piece, Recipient, Schedule, Then, Unrecorded, retry,
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
            match self.lanes.on(channel).passes.get(&id).map(|pass| pass.home) {
                Some(Home::Todo) => self.timing.watch(id, channel, now),
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
        slot: u8,
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
        match (home, outcome) {
            (Home::Todo, Outcome::Delivered) => {
                self.lanes.on_mut(channel).passes.remove(&id);
                self.set_course(id, channel, Course::Done);
                self.remove_from_todo(id);
            }
            (Home::Todo | Home::Moving, _) => {
                if let Some(pass) = self.lanes.on_mut(channel).passes.get_mut(&id) {
                    pass.held = Some((outcome, flight.recipient, text));
                }
                if home == Home::Todo {
                    self.settle(id, channel);
                }
            }
            (Home::Channel, _) => {
                self.take_result(id, channel, outcome, flight.recipient, text);
                self.end_pass(id, channel, now);
            }
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

    /// Moves a message from S4 to S5: its first attempt has not delivered it, or takes its time.
    pub(crate) fn settle(&mut self, id: QueueId, channel: Channel) {
        let Some(pass) = self.lanes.on_mut(channel).passes.get_mut(&id) else { return };
        let held = pass.held.as_ref().map(|(_, recipient, _)| recipient.address.clone());
        let waiting = pass.ready.front().map(|recipient| recipient.address.clone());
        pass.home = Home::Moving;
        let (sender, birth) = (pass.sender.clone(), pass.birth);
        let Some(recipient) = held.or(waiting).or_else(|| self.lanes.on(channel).in_flight(id)) else {
            return;
        };
        self.ask(Action::Settle { id, channel, sender, recipient, birth });
    }

    pub(crate) fn settled(&mut self, id: QueueId, ok: bool, now: Now) {
        self.answered();
        if ok {
            self.ask(Action::Clean(CleanRequest::Envelope(id)));
            return;
        }
        let Some(channel) = self.moving_on(id) else { return };
        let lane = self.lanes.on_mut(channel);
        if let Some(pass) = lane.passes.get_mut(&id)
            && matches!(pass.held, Some((Outcome::Delivered, ..)))
        {
            // It needs no S5 any more.
            lane.passes.remove(&id);
            self.set_course(id, channel, Course::Done);
            self.remove_from_todo(id);
            return;
        }
        self.timing.later(now, SYSTEM_TROUBLE_MILLIS, id, Errand::Settle(channel));
    }

    /// The channel on which a message moves from S4 to S5.
    pub(crate) fn moving_on(&self, id: QueueId) -> Option<Channel> {
        let moves = |channel: &Channel| {
            self.lanes.on(*channel).passes.get(&id).is_some_and(|pass| pass.home == Home::Moving)
        };
        Channel::BOTH.into_iter().find(moves)
    }

    /// The envelope is gone from `todo`: the pass goes on in S5.
    pub(crate) fn moved(&mut self, id: QueueId, channel: Channel, now: Now) {
        self.messages.set_phase(id, Phase::Queued);
        let lane = self.lanes.on_mut(channel);
        let Some(pass) = lane.passes.get_mut(&id) else { return };
        if pass.held.is_none() && pass.flying == 0 {
            // It has not been attempted: it waits for its turn on disk.
            lane.passes.remove(&id);
            lane.first.push_back(id);
            self.set_course(id, channel, Course::Waiting);
            return;
        }
        pass.home = Home::Channel;
        let held = pass.held.take();
        lane.count_pass(id);
        match held {
            // Its only recipient: no mark is needed on a file that goes at once.
            Some((Outcome::Delivered, ..)) => self.end_pass(id, channel, now),
            Some((outcome, recipient, text)) => {
                self.take_result(id, channel, outcome, recipient, text);
                self.end_pass(id, channel, now);
            }
            None => {}
        }
    }
}
