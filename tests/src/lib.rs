//! A private world for tests: an installation of its own, peers of its own, everything on loopback.
//!
//! - [`place`]: where programs and unpacked packages are; what a test does that cannot run here
//! - [`world`]: an installation, started and stopped, killed and looked into
//! - [`log`]: what a program says, as it says it; the waiting is done here
//! - [`client`], [`sink`]: the two ends of an SMTP session
//! - [`machine`], [`booted`]: as root, a copy of this machine to install packages into, and one on which systemd is at work
//! - [`mail`]: what is in a Maildir
//! - [`traffic`]: mail without a pause, and whether all of it arrived once
//! - [`processes`]: who was started while something happened
//! - [`space`]: as root, a private /var/qmail with accounts, and a private network
//! - [`own_host`]: as root, this very host with its /etc, /usr and /var to be changed at will
//! - [`peers`]: other people's programs
//!
//! Tests own their directory and their ports, and never sleep: they wait for what they expect, with a deadline.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test that cannot go on must stop, loudly"
)]

pub mod booted;
pub mod client;
pub mod log;
pub mod machine;
pub mod mail;
pub mod own_host;
pub mod peers;
pub mod place;
pub mod processes;
pub mod sink;
pub mod space;
pub mod traffic;
pub mod world;

pub use client::Client;
pub use log::Log;
pub use own_host::Host;
pub use place::{deadline, skip};
pub use sink::Sink;
pub use world::World;
