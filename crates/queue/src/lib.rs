//! The queue on disk: durable steps, readers, clean-up, and the door into it.
//!
//! A message's states, as in INTERNALS (contract 4.3; `+` exists, `-` absent, `?` either):
//!
//! | state | mess | intd | todo | info | local | remote | bounce | who leads on |
//! |---|---|---|---|---|---|---|---|---|
//! | S1 | - | - | - | - | - | - | - | |
//! | S2 | + | - | - | - | - | - | - | [`incoming`], or [`sweep`] after 36 hours |
//! | S3 | + | + | - | - | - | - | - | the original only |
//! | S4 | + | ? | + | ? | ? | ? | - | [`todo`] reads it, [`preprocessed`] makes it S5 |
//! | S5 | + | - | - | + | ? | ? | ? | [`channel`], [`bounce`] |
//!
//! Accepted is what has a durable `todo/ID`; no crash leaves anything in `todo` before what it names is durable. [`clean`] takes
//! files away for `qmail-send`, which may not.
//!
//! Under all of them lies [`disk`], the list of durable steps, with `real` and, for crash tests, a simulated one.
//! [`door`] is what programs use that have a message to hand over; [`service`] answers it.

pub mod bounce;
pub mod caller;
pub mod channel;
pub mod clean;
mod crew;
pub mod disk;
pub mod door;
pub mod enqueue_error;
pub mod incoming;
pub mod info;
pub mod layout;
pub mod listing;
pub mod preprocessed;
pub mod quarantine;
pub mod real;
pub mod resplit;
pub mod scan;
pub mod service;
mod side_by_side;
#[cfg(any(test, feature = "simulated"))]
pub mod simulated;
pub mod store;
pub mod sweep;
pub mod tapping;
pub mod todo;
pub mod trigger;

#[cfg(test)]
mod crash;

pub use contracts::{Channel, QueueId};
pub use enqueue_error::EnqueueError;
pub use layout::Layout;
pub use store::Queue;
