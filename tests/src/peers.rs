//! Other people's programs, run from unpacked packages on loopback ports.

pub mod exim;
pub mod postfix;
