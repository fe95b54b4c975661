//! Delivery to other hosts: routes, exchangers, SMTP sessions, results.
#![forbid(unsafe_code)]

pub mod classic;
pub mod connection;
pub mod delivery;
pub mod features;
pub mod literal;
pub mod message_source;
pub mod name_servers;
pub mod outcome;
pub mod pool;
pub mod route;
pub mod session;
pub mod settings;
pub mod targets;
pub mod tcpto;
pub mod text;
pub mod worker;
