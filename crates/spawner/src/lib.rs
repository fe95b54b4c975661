//! What `qmail-lspawn` and `qmail-rspawn` share (contract 5.2, 5.3): commands in, checked message files, warm
//! workers or one process a delivery, reports out.
//!
//! A spawner is [`service::run`] around a [`Trade`]. The service owns descriptors, time and processes; the trade
//! knows what a delivery is. Neither waits for anything but the one `poll`.
//!
//! ```text
//! command --decoder--> checks::Job --Trade::accept--> Desk::assign (warm) or Desk::run (classic) or Desk::report
//!                                  --Trade::settle--  after all commands that were waiting
//! worker's packet  --Trade::answer--> Desk::report
//! worker died      --Trade::lost----> Desk::report, or Desk::run, or Desk::assign again
//! child ended      --Trade::ended---> Desk::report
//! deadline         --Trade::tick
//! ```
//!
//! What a trade has to see to:
//!
//! - Each accepted job ends in exactly one [`Desk::report`] for its slot; the text begins with K, Z or D. A slot
//!   stays taken until then.
//! - A key names the workers that may make a delivery: for local mail uid, gid and home; for remote mail `()`.
//! - A ticket is what the trade wants back with the answer: a slot, or several.
//! - What a worker says is hostile. [`Trade::answer`] gives the ticket back for bytes it cannot accept; the
//!   worker is then killed and all its deliveries are [`Trade::lost`], as [`Reason::Crashed`].
//! - [`Reason::Silent`] says that the program is none of ours: use the classic form
//!   ([`program::Program`] remembers that).
//!
//! Workers: descriptor 0 is a sequenced-packet socket, 1 and 2 are `/dev/null`; the first packet is
//! `contracts::HELLO`. The service closes the socket of a worker that has been idle for [`worker::Terms::idle_limit`];
//! keep that below the time after which the worker leaves by itself.
//!
//! `qmail-lspawn` also answers [`questions`]: is there a mailbox by that name? Each ends in one [`Desk::answer`].
//!
//! [`local`] is the trade of `qmail-lspawn`, [`remote`] that of `qmail-rspawn`.
#![forbid(unsafe_code)]

pub mod checks;
pub mod child;
pub mod desk;
pub mod local;
pub mod output;
pub mod pool;
pub mod program;
pub mod questions;
pub mod remote;
pub mod remote_report;
pub mod service;
pub mod trade;
pub mod worker;

pub use checks::Job;
pub use child::Ending;
pub use desk::Desk;
pub use trade::{Reason, Trade};
pub use worker::{Matching, Terms};
