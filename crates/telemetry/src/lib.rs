//! Log lines, built in one place.
//!
//! - [`line`]: the lines of qmail-send, whose words are an interface (contract 13); what strangers can write into
//!   them passes the filter there and nowhere else
//! - [`syslog`]: lines as splogger hands them on
//!
//! Nothing is written here: programs own their log descriptor.

pub mod line;
pub mod syslog;

pub use line::{Line, Opening, Verdict};
