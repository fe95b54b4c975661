//! Who owns an address: what `users/cdb` holds and `qmail-getpw` prints (contract 8.2, 8.3).
//!
//! ```text
//! user NUL uid NUL gid NUL home NUL dash NUL ext NUL     (the cdb stores no last NUL)
//! ```
//!
//! The warm `qmail-getpw` hears one local part a packet and answers with its exit code as one byte, then the
//! fields.

use crate::queue_id::decimal;

/// The longest answer of `qmail-getpw`.
pub const ANSWER_MAX_BYTES: usize = 16 * 1024;

/// The account that controls an address, and which of its `.qmail` files are meant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Owner {
    /// Account name.
    pub user: Vec<u8>,
    /// Deliveries run as this uid.
    pub uid: u32,
    /// And as this gid, alone.
    pub gid: u32,
    /// Home directory.
    pub home: Vec<u8>,
    /// `-`, or empty.
    pub dash: Vec<u8>,
    /// Extension.
    pub ext: Vec<u8>,
}

/// Not six fields, or a uid or gid that is no number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not the six fields of a user lookup")]
pub struct BadLookup;

impl Owner {
    /// The six fields, each ended by NUL.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let (uid, gid) = (self.uid.to_string(), self.gid.to_string());
        for field in [&self.user[..], uid.as_bytes(), gid.as_bytes(), &self.home, &self.dash, &self.ext] {
            crate::fields::push(&mut out, field);
        }
        out
    }

    /// Reads six fields; the NUL after the last one may be missing, and what follows it is ignored.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadLookup> {
        let mut fields = bytes.split(|&b| b == 0);
        let mut next = || fields.next().ok_or(BadLookup);
        let number = |digits| decimal(digits).and_then(|n| u32::try_from(n).ok()).ok_or(BadLookup);
        Ok(Self {
            user: next()?.to_vec(),
            uid: number(next()?)?,
            gid: number(next()?)?,
            home: next()?.to_vec(),
            dash: next()?.to_vec(),
            ext: next()?.to_vec(),
        })
    }
}

/// The warm lookup's answer packet.
pub fn encode_answer(result: &Result<Owner, u8>) -> Vec<u8> {
    match result {
        Ok(owner) => [&[0], owner.encode().as_slice()].concat(),
        Err(exit) => vec![*exit],
    }
}

/// Reads the warm lookup's answer packet: an owner, or the exit code of qmail-getpw(8).
pub fn decode_answer(packet: &[u8]) -> Result<Result<Owner, u8>, BadLookup> {
    match packet.split_first() {
        Some((0, fields)) => Owner::decode(fields).map(Ok),
        Some((exit, [])) => Ok(Err(*exit)),
        _ => Err(BadLookup),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_last_nul_is_optional() {
        let with = Owner::decode(b"joe\x009001\x009001\0/home/joe\0-\0x\0").unwrap();
        assert_eq!(Owner::decode(b"joe\x009001\x009001\0/home/joe\0-\0x"), Ok(with.clone()));
        assert_eq!((with.uid, &with.ext[..]), (9001, &b"x"[..]));
        assert_eq!(Owner::decode(b"joe\x009001\0-1\0/home/joe\0-\0x"), Err(BadLookup));
        assert_eq!(Owner::decode(b"joe\x009001\x009001\0/home/joe\0-"), Err(BadLookup));
        assert_eq!(Owner::decode(b"joe\x004294967296\x001\0/\0\0\0"), Err(BadLookup));
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer(bytes: Vec<u8>) {
            let _ = Owner::decode(&bytes);
            let _ = decode_answer(&bytes);
        }

        #[test]
        fn what_is_encoded_is_decoded(
            uid: u32, gid: u32, f in proptest::collection::vec(proptest::collection::vec(1u8.., 0..20), 4),
        ) {
            let owner = Owner {
                user: f[0].clone(), uid, gid, home: f[1].clone(), dash: f[2].clone(), ext: f[3].clone(),
            };
            prop_assert_eq!(decode_answer(&encode_answer(&Ok(owner.clone()))), Ok(Ok(owner)));
        }

        #[test]
        fn so_are_exit_codes(exit in 1u8..) {
            prop_assert_eq!(decode_answer(&encode_answer(&Err(exit))), Ok(Err(exit)));
        }
    }
}
