//! Constant databases in the classic format, as `users/cdb` and `control/morercpthosts.cdb` use them.
//!
//! A file is 256 pairs of 32-bit little-endian numbers (table position, table slots), then the records
//! (key length, data length, key, data), then 256 hash tables of (hash, record position) pairs with twice
//! as many slots as entries. Position 0 means a free slot. The largest file is 4 GiB.
//!
//! - [`reader`]: looks keys up with `pread`; nothing is mapped, so a file cut short under us is an error and
//!   not a signal.
//! - [`writer`]: the bytes the original's `cdbmss` writes
//! - [`dump`]: all records, for printing
//! - [`replacement`]: a database put in the place of an older one, whole
#![forbid(unsafe_code)]

pub mod dump;
pub mod reader;
pub mod replacement;
pub mod writer;

pub use reader::{Cdb, ReadError};
pub use replacement::Replacement;
pub use writer::{WriteError, Writer};

/// Tables in a file, each with a (position, slots) pair in the header.
const TABLES: usize = 256;

/// Bytes of the header, and the position of the first record.
const HEADER_BYTES: u64 = 2048;

/// The hash of a key: start with 5381, for each byte multiply by 33 and xor.
fn hash(key: &[u8]) -> u32 {
    key.iter().fold(5381u32, |h, &byte| h.wrapping_mul(33) ^ u32::from(byte))
}
