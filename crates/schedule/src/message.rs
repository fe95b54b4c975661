//! What is remembered of every message in the queue: as little as possible.
//!
//! Envelopes stay on disk. A waiting message is an entry here and one of its channel's waiting list, together
//! under 100 bytes however full the tables are.

use std::collections::HashMap;

use contracts::QueueId;

use crate::clock::Epoch;

/// What is happening to a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// `todo/ID` is to be read.
    Hinted,
    /// It is being read, and perhaps S5 is being written.
    Reading,
    /// Nobody can make sense of it. Left alone.
    Quarantined,
    /// Attempted from S4, or on its way to S5 since.
    Attempted,
    /// S5 is on disk; `qmail-clean` removes `todo/ID`.
    Arriving,
    /// In S5: its channels tell more.
    Queued,
    /// Its files could not be examined at start.
    Unexamined,
    /// All channels are finished.
    Burying,
    /// Its bounce is being sent.
    Bouncing,
    /// `qmail-clean` removes what is left.
    Removing,
}

/// Where a message stands on one channel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Course {
    /// No recipients, or all are finished.
    Done,
    /// Waits, for its time or for its turn.
    Waiting,
    /// A pass is open.
    Open,
}

/// One message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message {
    pub(crate) phase: Phase,
    pub(crate) courses: [Course; 2],
    /// Somebody named it while we thought we knew it: look once more when it is gone, since numbers are used
    /// again.
    pub(crate) again: bool,
    /// Of its last attempt or its arrival.
    pub(crate) epoch: Epoch,
}

/// All messages that are known.
#[derive(Default, Debug)]
pub(crate) struct Messages {
    known: HashMap<QueueId, Message>,
}

impl Messages {
    pub(crate) fn contains(&self, id: QueueId) -> bool {
        self.known.contains_key(&id)
    }

    pub(crate) fn of(&mut self, id: QueueId) -> Option<&mut Message> {
        self.known.get_mut(&id)
    }

    pub(crate) fn phase(&self, id: QueueId) -> Option<Phase> {
        self.known.get(&id).map(|message| message.phase)
    }

    pub(crate) fn add(&mut self, id: QueueId, phase: Phase, epoch: Epoch) {
        let courses = [Course::Done; 2];
        self.known.insert(id, Message { phase, courses, again: false, epoch });
    }

    pub(crate) fn set_phase(&mut self, id: QueueId, phase: Phase) {
        if let Some(message) = self.known.get_mut(&id) {
            message.phase = phase;
        }
    }

    /// Forgets a message and tells whether somebody has named it since.
    pub(crate) fn forget(&mut self, id: QueueId) -> bool {
        let again = self.known.remove(&id).is_some_and(|message| message.again);
        // After a flood the memory goes back.
        if self.known.capacity() > 4096 && self.known.len() < self.known.capacity() / 8 {
            self.known.shrink_to(self.known.len().saturating_mul(2));
        }
        again
    }

    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    pub(crate) fn quarantined(&self) -> Vec<QueueId> {
        let quarantined =
            |(id, message): (&QueueId, &Message)| (message.phase == Phase::Quarantined).then_some(*id);
        self.known.iter().filter_map(quarantined).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Seconds;

    /// The tables double when full, so at worst an entry pays for two. hashbrown adds a control byte and keeps
    /// an eighth free.
    #[test]
    fn a_waiting_message_costs_less_than_a_hundred_bytes() {
        let bucket = size_of::<(QueueId, Message)>() + 1;
        let table = bucket * 2 * 8 / 7;
        let due = size_of::<(Seconds, QueueId)>() * 2;
        assert!(table + due < 100, "{table} + {due}");
    }
}
