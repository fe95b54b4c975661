//! The end of a message: bounce, removal, and what `qmail-clean` answers.

use contracts::QueueId;
use contracts::clean::CleanRequest;

use crate::message::{Course, Phase};
use crate::schedule::{Stop, Walk};
use crate::timing::{Errand, SWEEP_PAUSE_MILLIS, SWEEP_PERIOD_MILLIS, SYSTEM_TROUBLE_MILLIS};
use crate::{Action, Burial, Channel, Note, Now, PerChannel, Schedule};

impl Schedule {
    /// When both channels are finished, so is the message, but for its bounce.
    pub(crate) fn bury_if_finished(&mut self, id: QueueId) {
        let Some(message) = self.messages.of(id) else { return };
        if message.phase == Phase::Queued && message.courses == [Course::Done; 2] {
            message.phase = Phase::Burying;
            self.ask(Action::Bury(id));
        }
    }

    pub(crate) fn buried(&mut self, id: QueueId, burial: Burial, now: Now) {
        self.answered();
        match burial {
            Burial::Ended => self.remove_message(id),
            Burial::BounceWaits => {
                self.messages.set_phase(id, Phase::Bouncing);
                // A bounce may take its time; when we are stopping, the next start sends it.
                if self.stop == Stop::No {
                    self.ask(Action::Bounce(id));
                }
            }
            Burial::NotDead => self.forget(id),
            Burial::Trouble => self.timing.later(now, SYSTEM_TROUBLE_MILLIS, id, Errand::Bury),
        }
    }

    pub(crate) fn bounced(&mut self, id: QueueId, ok: bool, now: Now) {
        self.answered();
        if ok {
            self.remove_message(id);
        } else {
            self.timing.later(now, SYSTEM_TROUBLE_MILLIS, id, Errand::Bounce);
        }
    }

    /// S2: the message file is all that is left.
    fn remove_message(&mut self, id: QueueId) {
        self.messages.set_phase(id, Phase::Removing);
        self.log(Note::MessageEnded(id));
        self.ask(Action::Clean(CleanRequest::Message(id)));
    }

    /// From S4 straight to nothing. Both requests go together; their answers come in order. The channel whose delivery was
    /// the last stays open until the envelope is gone: that is the record of it.
    pub(crate) fn remove_from_todo(&mut self, id: QueueId) {
        self.messages.set_phase(id, Phase::Removing);
        self.recorded_by_removal(id).into_iter().for_each(|channel| self.lanes.on_mut(channel).records());
        self.ask(Action::Clean(CleanRequest::Envelope(id)));
        self.ask(Action::Clean(CleanRequest::Message(id)));
    }

    fn recorded_by_removal(&mut self, id: QueueId) -> Option<Channel> {
        let courses = self.messages.of(id)?.courses;
        Channel::BOTH.into_iter().find(|&channel| *courses.on(channel) == Course::Open)
    }

    pub(crate) fn cleaned(&mut self, request: CleanRequest, ok: bool, now: Now) {
        self.answered();
        self.owed_by_clean = self.owed_by_clean.saturating_sub(1);
        if let CleanRequest::Envelope(id) = request
            && self.messages.phase(id) == Some(Phase::Removing)
            && let Some(channel) = self.recorded_by_removal(id)
        {
            self.lanes.on_mut(channel).recorded();
        }
        match request {
            CleanRequest::Envelope(id) => match (self.messages.phase(id), ok) {
                (Some(Phase::Arriving), true) => self.arrived(id),
                (Some(Phase::Arriving | Phase::Attempted), false) => {
                    self.timing.later(now, SYSTEM_TROUBLE_MILLIS, id, Errand::CleanEnvelope);
                }
                (Some(Phase::Attempted), true) => self.moved(id, now),
                (Some(Phase::Removing), true) => self.log(Note::MessageEnded(id)),
                // Delivered, and still in `todo`: the next scan must not find a message there.
                (Some(Phase::Removing), false) => {
                    self.timing.later(now, SYSTEM_TROUBLE_MILLIS, id, Errand::RemoveEnvelope);
                }
                _ => {}
            },
            // An old qmail-clean does not know the request: then the entry stays where it is, and is left alone.
            CleanRequest::Hold(id) if ok => {
                self.log(Note::SetAside(id));
                self.out.push(Action::SetAside(id));
                self.forget(id);
            }
            CleanRequest::Hold(_) => {}
            // What is left after a failure is swept up one day.
            CleanRequest::Message(id) => {
                if self.messages.phase(id) == Some(Phase::Removing) {
                    if self.timing.has_errand(id) {
                        return;
                    }
                    self.forget(id);
                }
            }
        }
    }

    pub(crate) fn swept(&mut self, orphans: &[QueueId], end: bool, now: Now) {
        for &id in orphans {
            if !self.messages.contains(id) && self.clock.is_trusted(now) && self.stop == Stop::No {
                self.messages.add(id, Phase::Removing, self.clock.epoch());
                self.ask(Action::Clean(CleanRequest::Message(id)));
            }
        }
        let pause = if end { SWEEP_PERIOD_MILLIS } else { SWEEP_PAUSE_MILLIS };
        self.sweep = Walk::Next { at: now.steady.saturating_add(pause), restart: end };
    }
}
