//! The time as the machine is told it, and what to make of a clock that jumps (defect D67).
//!
//! Two clocks go in: the wall clock, which file times and the retry curve use, and a steady one, which only
//! measures. When the wall clock runs ahead of the steady one by more than an hour, every message in the
//! queue seems old at once; a message then expires only after an attempt that was made since.

use crate::Seconds;

/// Milliseconds of a clock that never jumps; its beginning means nothing.
pub type Millis = u64;

/// Both clocks at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Now {
    /// Seconds since 1970.
    pub wall: Seconds,
    /// The steady clock.
    pub steady: Millis,
}

/// A difference between the clocks that is a jump, in seconds.
const JUMP_SECONDS: Seconds = 3600;
/// Nothing is swept for so long after a jump: the age of a file means nothing then.
const DISTRUST_MILLIS: Millis = 129_600_000;

/// Which stretch of undisturbed time it is. 0 until a jump has been seen.
pub(crate) type Epoch = u8;

/// Compares the clocks.
#[derive(Debug)]
pub(crate) struct ClockWatch {
    last: Now,
    epoch: Epoch,
    jumped_at: Option<Millis>,
}

impl ClockWatch {
    pub(crate) fn new(now: Now) -> Self {
        Self { last: now, epoch: 0, jumped_at: None }
    }

    /// Notices a jump forward; tells of a jump back, after which times that were computed lie too far ahead.
    pub(crate) fn look(&mut self, now: Now) -> bool {
        let passed = now.steady.saturating_sub(self.last.steady) / 1000;
        if now.wall.saturating_sub(self.last.wall) > passed.saturating_add(JUMP_SECONDS) {
            self.epoch = self.epoch.checked_add(1).unwrap_or(1);
            self.jumped_at = Some(now.steady);
        }
        let back = self.last.wall > now.wall.saturating_add(JUMP_SECONDS);
        self.last = now;
        back
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Whether a message may be given up for its age in an attempt that begins now, when its last attempt or
    /// its arrival was in epoch `seen`.
    pub(crate) fn believes_age(&self, seen: Epoch) -> bool {
        self.epoch == 0 || seen == self.epoch
    }

    /// Whether file times may be compared with the wall clock.
    pub(crate) fn is_trusted(&self, now: Now) -> bool {
        self.jumped_at.is_none_or(|at| now.steady.saturating_sub(at) > DISTRUST_MILLIS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_jump_forward_begins_a_new_epoch() {
        let mut watch = ClockWatch::new(Now { wall: 1_000_000, steady: 0 });
        for (wall, steady, want) in [
            (1_000_010, 10_000, 0),
            (1_090_010, 90_010_000, 0),
            (900_000, 90_020_000, 0),
            (901_000, 90_030_000, 0),
            (900_000_000, 90_040_000, 1),
            (900_000_001, 90_041_000, 1),
        ] {
            let _ = watch.look(Now { wall, steady });
            assert_eq!(watch.epoch(), want, "{wall}");
        }
        assert!(!watch.believes_age(0));
        assert!(watch.believes_age(1));
        assert!(!watch.is_trusted(Now { wall: 0, steady: 90_041_000 }));
    }
}
