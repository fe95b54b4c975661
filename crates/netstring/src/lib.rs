//! Netstrings, and what QMTP and QMQP make of them: bytes in, values out.
//!
//! A netstring is a length in decimal digits, a colon, that many bytes, a comma. Both protocols and both ends of each
//! use these files (contract 6.6 to 6.8).
//!
//! - [`length`]: the digits, as they arrive
//! - [`lines`]: a message in QMTP's CR LF form becomes one in the queue's
//! - [`answer`]: what a server says about a message or a recipient
#![forbid(unsafe_code)]

pub mod answer;
pub mod length;
pub mod lines;

pub use answer::Answer;
pub use length::{Length, LengthError};

/// The longest netstring that the original takes; it looks before the last digit.
pub const NETSTRING_MAX_BYTES: u64 = 2_000_000_009;

/// An address of this many bytes is too long for the original's servers.
pub const ADDRESS_TOO_LONG_BYTES: usize = 1000;

/// Appends `bytes` as a netstring.
pub fn push(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(head(bytes.len()).as_bytes());
    out.extend_from_slice(bytes);
    out.push(b',');
}

/// The length and the colon of a netstring of `length` bytes.
pub fn head(length: usize) -> String {
    format!("{length}:")
}

/// How many bytes a netstring of `length` bytes is in all.
pub fn whole(length: usize) -> usize {
    length.saturating_add(head(length).len()).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_netstring_is_as_long_as_it_was_said_to_be() {
        for (bytes, wire) in [(&b""[..], &b"0:,"[..]), (b"hello world!", b"12:hello world!,")] {
            let mut out = Vec::new();
            push(&mut out, bytes);
            assert_eq!(out, wire);
            assert_eq!(whole(bytes.len()), wire.len());
        }
    }
}
