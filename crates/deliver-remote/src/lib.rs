//! Delivery to other hosts: what qmail-remote(8) is.
//!
//! One delivery, from the inside out:
//!
//! 1. [`settings`]: the control files, as they are now
//! 2. [`targets`]: HOST to addresses, by [`route`], [`literal`] or the DNS ([`name_servers`]), less our own
//! 3. [`pool`]: a connection that is there, or the right to a new one; [`tcpto`] and [`failures`]: who does not
//!    answer lately
//! 4. [`connection`]: socket and deadlines around [`session`], the SMTP client as a machine without a socket;
//!    [`features`]: what the server offers; [`message_source`]: the message, as often as it is needed
//!    [`qmtp`]: the other language, for hosts that are said to speak it
//! 5. [`outcome`] and [`text`]: the exact words
//!
//! [`delivery`] puts them in this order. It has two forms: [`classic`], one delivery from argv, and [`worker`], many at
//! once for qmail-rspawn, over the same code.
//!
//! It is not a queue: what is deferred here, qmail-send tries again.
#![forbid(unsafe_code)]

pub mod classic;
pub mod connection;
pub mod delivery;
pub mod failures;
pub mod features;
pub mod literal;
pub mod message_source;
pub mod name_servers;
pub mod outcome;
pub mod own_addresses;
pub mod pool;
pub mod qmtp;
pub mod route;
pub mod session;
pub mod settings;
pub mod sources;
pub mod targets;
pub mod tcpto;
pub mod text;
pub mod worker;
