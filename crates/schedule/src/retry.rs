//! When to try again, and when to give up (contract 7.4; qmail-send(8)).
//!
//! The curve belongs to the message's age alone: shutdowns, alarms and restarts move the next point, never the
//! curve. Nothing here knows a queue.

use crate::{Channel, Seconds};

/// A message older than this is given up at its next failing attempt, unless control/queuelifetime says otherwise.
pub const QUEUE_LIFETIME_SECONDS: Seconds = 604_800;

/// The sentence that turns a deferral into a failure.
pub const GIVING_UP: &[u8] = b"I'm not going to try again; this message has been in the queue too long.\n";

/// How far the curve skips: local mail comes home sooner.
fn skip(channel: Channel) -> Seconds {
    match channel {
        Channel::Local => 10,
        Channel::Remote => 20,
    }
}

/// The attempt after one that begins `now`: quadratic in the message's age.
///
/// A birth in the future, which a clock set back makes, counts as an age of nothing.
pub fn next_attempt(birth: Seconds, now: Seconds, channel: Channel) -> Seconds {
    let step = now.saturating_sub(birth).isqrt().saturating_add(skip(channel));
    birth.saturating_add(step.saturating_mul(step))
}

/// The longest step of the curve within a lifetime, of both channels. A next attempt that is further away comes
/// from a clock that was wrong.
pub fn longest_step(lifetime: Seconds) -> Seconds {
    let root = lifetime.isqrt().saturating_add(1);
    root.saturating_mul(40).saturating_add(400)
}

/// Whether a pass that begins `now` is the last one.
pub fn is_too_old(birth: Seconds, now: Seconds, lifetime: Seconds) -> bool {
    now > birth.saturating_add(lifetime)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempts(channel: Channel, count: usize) -> Vec<Seconds> {
        std::iter::successors(Some(0), |&now| Some(next_attempt(0, now, channel))).take(count).collect()
    }

    #[test]
    fn attempts_are_those_of_the_contracts_table() {
        let local = attempts(Channel::Local, 40);
        let remote = attempts(Channel::Remote, 40);
        for (number, want_local, want_remote) in [
            (1, 0, 0),
            (2, 100, 400),
            (3, 400, 1600),
            (4, 900, 3600),
            (5, 1600, 6400),
            (6, 2500, 10_000),
            (7, 3600, 14_400),
            (10, 8100, 32_400),
            (20, 36_100, 144_400),
            (30, 84_100, 336_400),
            (39, 144_400, 577_600),
            (40, 152_100, 608_400),
        ] {
            assert_eq!(
                (local[number - 1], remote[number - 1]),
                (want_local, want_remote),
                "attempt {number}"
            );
        }
    }

    #[test]
    fn a_late_pass_moves_the_next_point_but_not_the_curve() {
        assert_eq!(next_attempt(0, 300, Channel::Local), 729);
    }

    #[test]
    fn a_birth_in_the_future_is_an_age_of_nothing() {
        assert_eq!(next_attempt(1000, 10, Channel::Remote), 1400);
        assert!(!is_too_old(1000, 10, 0));
    }

    #[test]
    fn the_last_remote_attempt_of_the_default_lifetime_comes_an_hour_late() {
        let last =
            attempts(Channel::Remote, 60).into_iter().find(|&now| is_too_old(0, now, QUEUE_LIFETIME_SECONDS));
        assert_eq!(last, Some(608_400));
        assert!(!is_too_old(0, 604_800, QUEUE_LIFETIME_SECONDS));
    }

    #[test]
    fn no_time_overflows() {
        assert_eq!(next_attempt(u64::MAX, u64::MAX, Channel::Remote), u64::MAX);
        assert_eq!(
            next_attempt(0, u64::MAX, Channel::Local),
            (u32::MAX as u64 + 10).saturating_mul(u32::MAX as u64 + 10)
        );
    }
}
