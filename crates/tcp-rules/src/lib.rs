//! Who may connect and under which conditions, in the language of tcprules(1).
//!
//! A rule allows or denies, and may set variables that mean to the session what they mean in the environment of one
//! process: RELAYCLIENT, DATABYTES, QMAILQUEUE, RBLSMTPD and so on. The most exact rule for a client counts.
//!
//! - [`key`]: which rules are looked for, in order
//! - [`network`]: a range of addresses
//! - [`rule`]: what one says, in text and in a record of a database
//! - [`text`]: a file of rules, with everything that is wrong in it
//! - [`database`]: a cdb that tcprules(1) made
//! - [`rules`]: both together, read again when they change
#![forbid(unsafe_code)]

pub mod database;
pub mod key;
pub mod network;
pub mod rule;
pub mod rules;
pub mod text;

pub use key::Question;
pub use network::Network;
pub use rule::Rule;
pub use rules::{Rules, RulesError};
