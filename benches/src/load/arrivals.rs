//! What has arrived, and when.

use crate::moment::Moment;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often a waiting run looks. The times of arrival do not depend on it.
const LOOK: Duration = Duration::from_millis(1);

/// By what an arrival is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The number was read on arrival.
    Number(u64),
    /// It stands in this file, to be read when there is time.
    File(PathBuf),
}

/// One recipient's copy of a message is there.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Which.
    pub what: What,
    /// Since when.
    pub at: Moment,
}

/// A list that grows while others watch it.
#[derive(Clone, Debug, Default)]
pub struct Arrivals {
    count: Arc<AtomicUsize>,
    /// Numbers below belong to earlier runs, whose servers may still be at work.
    first: Arc<AtomicU64>,
    list: Arc<Mutex<Vec<Arrival>>>,
}

impl Arrivals {
    /// Notes some.
    pub fn note(&self, some: impl IntoIterator<Item = Arrival>) {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        let first = self.first.load(Ordering::Relaxed);
        list.extend(some.into_iter().filter(|arrival| match arrival.what {
            What::Number(number) => number >= first,
            What::File(_) => true,
        }));
        self.count.store(list.len(), Ordering::Release);
    }

    /// How many are there.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Waits until there are that many, or until then. Gives up early when nothing arrives for `patience`.
    pub fn wait(&self, count: usize, end: Moment, patience: Duration) -> bool {
        let (mut seen, mut last) = (self.count(), Moment::now());
        while seen < count {
            let now = Moment::now();
            if now >= end || now.seconds_since(last) > patience.as_secs_f64() {
                return false;
            }
            std::thread::park_timeout(LOOK);
            let new = self.count();
            if new != seen {
                (seen, last) = (new, now);
            }
        }
        true
    }

    /// Forgets everything. From now on only numbers from `first` on count.
    pub fn begin(&self, first: u64) {
        self.first.store(first, Ordering::Relaxed);
        drop(self.take());
    }

    /// Takes everything out.
    pub fn take(&self) -> Vec<Arrival> {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        self.count.store(0, Ordering::Release);
        std::mem::take(&mut *list)
    }
}

#[cfg(test)]
mod tests {
    use super::{Arrival, Arrivals, What};
    use crate::moment::Moment;

    #[test]
    fn what_an_earlier_run_left_behind_does_not_count() {
        let arrivals = Arrivals::default();
        let number = |n| Arrival { what: What::Number(n), at: Moment::now() };
        arrivals.note([number(3)]);
        arrivals.begin(10);
        arrivals.note([number(9), number(10)]);
        assert_eq!(arrivals.count(), 1);
    }
}
