//! A bounce of ours that arrives before we have heard that it was accepted waits a moment, so that the log tells causes
//! first: `bounce msg`, `end msg`, and then the bounce's own `new msg`. The original gets this order from doing one thing
//! at a time.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::work::{Done, Kind};

/// No arrival waits longer, whatever a queue program does.
const PATIENCE: Duration = Duration::from_millis(200);
/// No more arrivals wait than this.
const PARKED_MAX: usize = 32;

/// Bounces under way, and arrivals that may be one of them.
#[derive(Default, Debug)]
pub(crate) struct Parking {
    begun: u64,
    under_way: BTreeSet<u64>,
    /// With the number of the last bounce that was under way when it arrived.
    parked: Vec<(u64, Instant, Done)>,
}

impl Parking {
    /// A bounce begins. Returns its number.
    pub(crate) fn begin(&mut self) -> u64 {
        self.begun = self.begun.saturating_add(1);
        self.under_way.insert(self.begun);
        self.begun
    }

    /// A bounce has been accepted or refused.
    pub(crate) fn ended(&mut self, number: u64) {
        self.under_way.remove(&number);
    }

    /// Keeps a result that should wait; gives back any other.
    pub(crate) fn park(&mut self, done: Done) -> Option<Done> {
        match (done.kind, self.under_way.last()) {
            (Kind::BounceArrived, Some(&last)) if self.parked.len() < PARKED_MAX => {
                self.parked.push((last, Instant::now(), done));
                None
            }
            _ => Some(done),
        }
    }

    /// Those that need wait no longer.
    pub(crate) fn leave(&mut self) -> Vec<Done> {
        if self.parked.is_empty() {
            return Vec::new();
        }
        let first = self.under_way.first().copied().unwrap_or(u64::MAX);
        let waits = |last: u64, since: Instant| last >= first && since.elapsed() < PATIENCE;
        let (waiting, leaving) =
            std::mem::take(&mut self.parked).into_iter().partition(|(last, since, _)| waits(*last, *since));
        self.parked = waiting;
        leaving.into_iter().map(|(_, _, done): (u64, Instant, Done)| done).collect()
    }

    /// When to look again, in milliseconds.
    pub(crate) fn sleep_millis(&self) -> Option<u64> {
        (!self.parked.is_empty()).then(|| u64::try_from(PATIENCE.as_millis()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schedule::Event;

    fn arrival() -> Done {
        Done { log: Vec::new(), event: Event::Tick, kind: Kind::BounceArrived }
    }

    #[test]
    fn an_arrival_waits_for_the_bounces_under_way_and_for_no_later_one() {
        let mut parking = Parking::default();
        assert!(parking.park(arrival()).is_some(), "nothing is under way");
        let (first, second) = (parking.begin(), parking.begin());
        assert!(parking.park(arrival()).is_none());
        let third = parking.begin();
        assert!(parking.leave().is_empty());
        parking.ended(second);
        assert!(parking.leave().is_empty());
        parking.ended(first);
        assert_eq!(parking.leave().len(), 1);
        parking.ended(third);
        assert_eq!(parking.sleep_millis(), None);
    }

    #[test]
    fn only_so_many_wait() {
        let mut parking = Parking::default();
        parking.begin();
        let kept = (0..100).filter(|_| parking.park(arrival()).is_none()).count();
        assert_eq!(kept, PARKED_MAX);
    }
}
