//! The commands of quail(1): the one new front door. Everything they do can also be done with files and signals.
//!
//! - [`command`]: the command line
//! - [`start`]: `quail start`, which is quail-start(8)
//! - [`tryout`]: `quail try`, a private system to look at
//! - [`installation`]: the tree of a private installation
//! - [`conversation`]: the client side of an SMTP session, with times
//! - [`page`]: words on a terminal

pub mod command;
pub mod conversation;
pub mod installation;
pub mod page;
pub mod start;
pub mod tryout;

pub use command::run;
