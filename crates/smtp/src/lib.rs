//! SMTP words: bytes in, values out; no socket, no clock, no policy.
//!
//! | what a server hears | [`command`], [`path`], [`parameters`], [`incoming`], [`hops`] |
//! |---|---|
//! | what a client hears and says | [`reply`], [`outgoing`] |

pub mod command;
pub mod hops;
pub mod incoming;
pub mod outgoing;
pub mod parameters;
pub mod path;
pub mod reply;
