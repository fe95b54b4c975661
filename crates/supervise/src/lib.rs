//! Starting the programs with their descriptors and identities, and starting again what dies.
//!
//! Two starters share the wiring of the four programs that qmail-start(8) describes:
//!
//! - [`classic`]: `qmail-start`. Wires, becomes `qmail-send`, is gone.
//! - [`supervisor`]: `quail-start`. Binds the listening sockets, starts everything, and starts again what dies, by
//!   the rules of [`plan`], which is a machine without processes.
//!
//! Both run as root and parse nothing but `control/smtplisten`. Without root, under `QUAIL_HOME`, every program runs
//! as the caller.
#![forbid(unsafe_code)]

pub mod classic;
mod delivery;
mod door;
mod listen;
pub mod plan;
mod program;
mod roles;
pub mod supervisor;

pub use roles::{MissingAccount, Roles};
