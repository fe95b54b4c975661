//! Points in time that processes share: nanoseconds of the monotonic clock.

use nix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// A point in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub u64);

impl Moment {
    /// Now. The clock is always there; a system without it stands still.
    pub fn now() -> Self {
        let time = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from).unwrap_or_default();
        Self(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
    }

    /// Seconds from `earlier` to here; none when that is later.
    pub fn seconds_since(self, earlier: Self) -> f64 {
        Duration::from_nanos(self.0.saturating_sub(earlier.0)).as_secs_f64()
    }

    /// Later by that much.
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }
}
