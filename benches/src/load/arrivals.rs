//! What has arrived, and when.

use crate::moment::Moment;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
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
    list: Arc<Mutex<Vec<Arrival>>>,
}

impl Arrivals {
    /// Notes some.
    pub fn note(&self, some: impl IntoIterator<Item = Arrival>) {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        list.extend(some);
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

    /// Takes everything out.
    pub fn take(&self) -> Vec<Arrival> {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        self.count.store(0, Ordering::Release);
        std::mem::take(&mut *list)
    }
}
