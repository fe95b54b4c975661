//! Programs as their callers see them: arguments, descriptors, exits and files; never their insides.
//!
//! Most programs are held to what was recorded from the original (`vectors/`); here are those it did not have.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must stop, loudly"
)]

mod aliases;
mod booted;
mod mail_readers;
mod maildirwatch;
mod mailq;
mod package;
mod qmail_upq;
mod qsmhook;
mod quail;
mod quail_adopt;
mod quail_check;
mod quail_checkpassword;
mod quail_setup;
mod quail_start;
mod system_accounts;
