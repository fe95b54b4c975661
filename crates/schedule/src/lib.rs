//! When and what to deliver next: the judgement of qmail-send(8) as a machine without I/O and without a clock.
//!
//! An [`Event`] and the time go in, [`Action`]s come out. The loop around it (crate `manager`) owns the disk,
//! the pipes and the log; a test can live a week in a millisecond (`tests/week.rs`).
//!
//! One message's road, with the file that decides each step:
//!
//! | step | file |
//! |---|---|
//! | named by a hint or found by a scan, read | `arrival.rs` |
//! | waits for its time and its turn | `lane.rs` (slots, fairness), `retry.rs` (the curve) |
//! | delivered, deferred, failed; recipients marked; passes end | `delivery.rs`, `pass.rs` |
//! | moved from S4 to S5 when it outlives its first attempt | `delivery.rs` |
//! | bounced, removed | `ending.rs` |
//! | what is remembered of it meanwhile | `message.rs` |
//! | time limits, timers, start and stop | `timing.rs`, `clock.rs` |
//!
//! States S1 to S5 are those of INTERNALS: S4 is queued in `todo`, S5 is preprocessed into `info` and `local` or
//! `remote`.

mod action;
mod arrival;
mod clock;
mod delivery;
mod ending;
mod event;
mod lane;
mod message;
mod pass;
pub mod retry;
mod schedule;
mod timing;

pub use action::{Action, Failure, Note};
pub use clock::{Millis, Now};
pub use contracts::Channel;
pub use event::{Burial, Event, Found, Piece, Recipient, Then, Todo, Unrecorded};
pub use schedule::{Config, Schedule};

/// Seconds since 1970.
pub type Seconds = u64;

/// The number of a delivery in flight, on its channel.
pub type Slot = u16;

/// A pair with one place for each channel.
pub(crate) trait PerChannel<T> {
    fn on(&self, channel: Channel) -> &T;
    fn on_mut(&mut self, channel: Channel) -> &mut T;
}

impl<T> PerChannel<T> for [T; 2] {
    fn on(&self, channel: Channel) -> &T {
        let [local, remote] = self;
        if channel == Channel::Local { local } else { remote }
    }

    fn on_mut(&mut self, channel: Channel) -> &mut T {
        let [local, remote] = self;
        if channel == Channel::Local { local } else { remote }
    }
}
