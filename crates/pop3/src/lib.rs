//! POP3 (RFC 1939, 2449) as two programs that share one connection (qmail-popup(8), qmail-pop3d(8)).
//!
//! The first, as root, learns a name and a password and hands both to a checking program; it never sees mail. That
//! program becomes the user and then qmail-pop3d, which never sees a password.
//!
//! - [`command`]: a line taken apart
//! - [`capability`]: what CAPA says, for both
//! - [`authorization`]: the state before a password was right: a machine, lines in, steps out
//! - [`popup`]: the loop around it, and the checking program
//! - [`transaction`]: the state after: a machine, lines in, steps out
//! - [`pop3d`]: the loop around it
//! - [`maildrop`]: the messages of a Maildir, in order, as they were when the session began
//! - [`octets`]: how long a message is on the wire
//! - [`transmission`]: a message as it is sent
//! - [`wire`]: reading and writing with an end to patience
#![forbid(unsafe_code)]

pub mod authorization;
pub mod capability;
pub mod command;
pub mod maildrop;
pub mod octets;
pub mod pop3d;
pub mod popup;
pub mod transaction;
pub mod transmission;
pub mod wire;
