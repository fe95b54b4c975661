//! Addresses as envelopes carry them: bytes without NUL, split at the last `@` (contract 2).
//!
//! - [`Address`]: local part @ domain
//! - [`quote`]: how a local part is written in SMTP and in headers
//! - [`verp`]: variable envelope return paths
//! - [`route`]: where a recipient goes: local, virtual or remote
//!
//! No I/O, no clock. Header syntax (comments, groups) is `message`'s.

pub mod quote;
pub mod route;
pub mod verp;

/// Why bytes are not an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AddressError {
    /// NUL and line ends could break out of a queue record or of an SMTP command (D63, D64).
    #[error("byte {0:#04x} cannot stand in an address")]
    ForbiddenByte(u8),
    /// No `@`.
    #[error("the address has no @ and so no domain")]
    NoDomain,
}

/// `local-part@domain` as envelopes carry it, unquoted; either part may be empty.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Address {
    bytes: Box<[u8]>,
    at: usize,
}

impl Address {
    /// Splits at the last `@`, as qmail-send does; earlier ones belong to the local part.
    pub fn parse(bytes: &[u8]) -> Result<Self, AddressError> {
        if let Some(&bad) = bytes.iter().find(|b| matches!(b, 0 | b'\n' | b'\r')) {
            return Err(AddressError::ForbiddenByte(bad));
        }
        let at = memchr::memrchr(b'@', bytes).ok_or(AddressError::NoDomain)?;
        Ok(Self { bytes: bytes.into(), at })
    }

    /// What stands before the last `@`.
    pub fn local(&self) -> &[u8] {
        self.bytes.get(..self.at).unwrap_or_default()
    }

    /// What stands after the last `@`.
    pub fn domain(&self) -> &[u8] {
        self.bytes.get(self.at.saturating_add(1)..).unwrap_or_default()
    }

    /// The whole address.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Splits any bytes at the last `@`: local part and domain. `None` without an `@`.
pub fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memrchr(b'@', bytes)?;
    Some((bytes.get(..at)?, bytes.get(at.checked_add(1)?..)?))
}

/// Where a bounce for a message goes: the SMTP reverse-path (RFC 5321 §4.1.1.2), with qmail's two special forms.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReversePath<'a> {
    /// `<>`: this message is itself a bounce. Its failure is a double bounce, for the postmaster.
    Null,
    /// `#@[]`: this is a double bounce. Its failure is dropped.
    DoubleBounce,
    /// Anybody else; may end in `-@[]` (see [`verp`]).
    Sender(&'a [u8]),
}

/// The envelope sender of a double bounce.
pub const DOUBLE_BOUNCE: &[u8] = b"#@[]";

impl<'a> ReversePath<'a> {
    /// Classifies an envelope sender.
    pub fn of(sender: &'a [u8]) -> Self {
        match sender {
            b"" => Self::Null,
            DOUBLE_BOUNCE => Self::DoubleBounce,
            other => Self::Sender(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_split_at_its_last_at() {
        let a = Address::parse(b"a@b@c.example").unwrap();
        assert_eq!(
            (a.local(), a.domain(), a.as_bytes()),
            (&b"a@b"[..], &b"c.example"[..], &b"a@b@c.example"[..])
        );
        let b = Address::parse(b"@").unwrap();
        assert_eq!((b.local(), b.domain()), (&b""[..], &b""[..]));
        assert_eq!(Address::parse(b"joe"), Err(AddressError::NoDomain));
        for bad in [&b"a\0@b"[..], b"a@b\n", b"a\r@b"] {
            assert!(matches!(Address::parse(bad), Err(AddressError::ForbiddenByte(_))), "{bad:?}");
        }
    }
}
