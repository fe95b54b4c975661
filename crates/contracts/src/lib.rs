//! What one program says to another: every byte that crosses a process boundary, defined once.
//!
//! Both ends use these definitions, so that they cannot drift apart. A decoder takes any bytes at all: what is
//! not in its language is an error value, never a panic, since a peer that talks nonsense has crashed and a
//! crash is a deferral.
//!
//! | boundary | file | lives where in the contract |
//! |---|---|---|
//! | anybody -> `qmail-queue` | [`hand_off`], [`queue_exit`] | qmail-queue(8) |
//! | anybody -> `qmail-queued` | [`queue_service`] | ours |
//! | `qmail-queue` -> disk -> `qmail-send` | [`envelope`] | INTERNALS, envelopes(5) |
//! | `qmail-queue` -> `qmail-send` | [`trigger`] | INTERNALS |
//! | `qmail-send` <-> spawners | [`spawn`] | qmail-lspawn(8), qmail-rspawn(8) |
//! | `qmail-send` <-> `qmail-clean` | [`clean`] | qmail-clean(8) |
//! | `qmail-lspawn` <-> warm `qmail-local` | [`local_worker`] | ours |
//! | `qmail-lspawn` <-> `qmail-getpw` | [`lookup`] | qmail-getpw(8) |
//! | `qmail-smtpd` <-> `qmail-lspawn` | [`recipients`] | ours |
//! | `qmail-rspawn` <-> warm `qmail-remote` | [`remote_worker`] | ours |
//! | anybody -> programs with options | [`getopt`] | getopt(3) |
//!
//! No I/O here and no clock.

pub mod channel;
pub mod clean;
pub mod envelope;
mod fields;
pub mod getopt;
pub mod hand_off;
pub mod local_worker;
pub mod lookup;
pub mod queue_exit;
pub mod queue_id;
pub mod queue_service;
pub mod recipients;
pub mod remote_worker;
pub mod spawn;
pub mod trigger;

pub use channel::Channel;
pub use queue_exit::QueueExit;
pub use queue_id::QueueId;

/// The first packet of every warm worker. A program that says anything else, or nothing, is not ours and is
/// run in its classic form, one process a delivery.
pub const HELLO: &[u8] = b"quail-worker 1";

/// The longest envelope address that `qmail-queue` takes, without its terminating NUL.
pub const ADDRESS_MAX_BYTES: usize = 1002;
