//! The SMTP server (contract 6.5): a session as a machine, and the two ways to run it.
//!
//! - [`session`]: the machine: bytes and verdicts in, replies and requests out; one file a command in
//!   [`commands`]; [`transaction`] and [`receiving`] are its states, [`replies`] its words
//! - [`policy`], [`limits`], [`rcpthosts`], [`client`]: what it is told; [`configuration`] reads it from control files
//! - [`checks`]: what the well-known patches check besides, with [`patterns`], [`valid_recipients`], and [`mailboxes`], which
//!   asks those who would deliver; [`overrides`]: what a client's environment says about it
//! - [`door`]: the way into the queue for an event loop; [`verdict`]: what it says
//! - [`driver`]: one session over a stream
//! - [`netstrings`]: QMTP and QMQP, over the same door
//! - [`classic`]: on descriptors 0 and 1; [`listener`]: many at once, with [`places`] for them
//! - [`admission`]: who may connect to the listener; [`environment`]: the variables of a connection; [`blocked`], by
//!   a variable or by [`block_lists`]
#![forbid(unsafe_code)]

pub mod admission;
pub mod block_lists;
pub mod blocked;
pub mod checks;
#[cfg(test)]
mod checks_tests;
pub mod classic;
pub mod client;
mod commands;
pub mod configuration;
pub mod door;
pub mod driver;
pub mod environment;
pub mod limits;
pub mod listener;
mod log;
pub mod mailboxes;
pub mod netstrings;
pub mod overrides;
pub mod patterns;
pub mod places;
pub mod policy;
pub mod rcpthosts;
mod receiving;
mod replies;
pub mod session;
#[cfg(test)]
mod session_tests;
mod standard_streams;
mod transaction;
pub mod valid_recipients;
pub mod verdict;
