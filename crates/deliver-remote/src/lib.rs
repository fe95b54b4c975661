//! Delivery to other hosts: routes, exchangers, SMTP sessions, results.
#![forbid(unsafe_code)]

pub mod features;
pub mod literal;
pub mod outcome;
pub mod route;
pub mod session;
pub mod text;
