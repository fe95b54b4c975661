//! Both ends of the work: who sends, who receives, and the marks by which a message is known again.
//!
//! - [`text`]: a message of a given size that carries its number
//! - [`generator`]: many SMTP sessions on one thread
//! - [`sink`]: an SMTP server that swallows everything and notes when
//! - [`maildirs`]: notes when files appear in Maildirs
//! - [`arrivals`]: what both of these note
//! - [`submission`]: many local programs at once

pub mod arrivals;
pub mod generator;
pub mod maildirs;
mod receiver;
mod sender;
pub mod sink;
pub mod submission;
pub mod text;
