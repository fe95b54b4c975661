//! One delivery to a recipient of this host: `.qmail` and what it says.
//!
//! Words, without I/O:
//! - [`arguments`]: the command line
//! - `trace`: the lines above a delivered message
//! - `search`: which file names speak for an address
//! - `instruction`: the language of `.qmail`
//! - `owner`: from whom a forwarded message comes
//! - `environment`: what a program is told
//! - `looping`: does a message go round in circles?
//! - `failure`, [`exit`]: every text and its exit code
//!
//! Deeds:
//! - `home`: the home directory and the file that decides
//! - [`kept_home`]: what of it is still true at the next delivery
//! - `program`: `/bin/sh -c`, its exit codes, its time limit
//! - [`output`]: where words go
//! - [`delivery`]: the order of the work
//! - [`worker`]: many deliveries in one process, for qmail-lspawn
//!
//! How a mailbox is written is crate `mailbox`, how a message gets into the queue `queue::door`. We run as the
//! recipient from the start: nothing here changes identity, and nobody is trusted less than ourselves but the
//! authors of the message and of its addresses.
#![forbid(unsafe_code)]

pub mod arguments;
pub mod delivery;
mod environment;
pub mod exit;
mod failure;
mod home;
mod instruction;
pub mod kept_home;
mod looping;
pub mod output;
mod owner;
mod program;
mod search;
mod trace;
pub mod worker;
