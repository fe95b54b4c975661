//! The exit codes of qmail-local(8). 0 is success; it has no others.

/// This delivery will never work.
pub const PERMANENT: u8 = 100;
/// It does not work now.
pub const TEMPORARY: u8 = 111;
