//! Whether a proof fits a hash.
//!
//! | written | means |
//! |---|---|
//! | `$y$…`, `$2b$…`, `$6$…`, … | yescrypt, bcrypt, SHA-512 and whatever else crypt(5) of this machine has |
//! | `$argon2id$…` | argon2id (RFC 9106), as Dovecot and many web programs write it |
//! | `{PLAIN}secret` | the secret itself: the only one that APOP can use, and the only one that a thief can |

use argon2::{Algorithm, Argon2, Params, Version};
use base64ct::{Base64Unpadded, Encoding};
use md5::{Digest, Md5};
use std::io;

/// A hash that needs more memory than this is not computed.
pub const MEMORY_MAX_KIB: u32 = 256 << 10;

/// Memory times passes of argon2, in KiB, above which it is not computed.
const WORK_MAX_KIB: u64 = 8 << 20;

/// The method of new hashes.
pub const USUAL_METHOD: &str = "$y$";

/// Before a secret that is written as it is.
pub const PLAIN: &[u8] = b"{PLAIN}";

/// What an unknown name is measured against: Debian's usual method and cost, and nobody's hash.
const NOBODYS_SETTING: &[u8] = b"$y$j9T$nobody.at.all.is.here..";

/// A new hash of a password.
pub fn fresh(password: &[u8]) -> io::Result<Vec<u8>> {
    os::password_hash::hash(password, &os::password_hash::fresh_setting(USUAL_METHOD)?)
}

/// True if `proof` is the password of `hash`, or, for a secret, APOP's digest of `timestamp` and it. What is no hash fits
/// nothing. An error where that cannot be told now, for want of memory.
pub fn fits(proof: &[u8], hash: &[u8], timestamp: &[u8]) -> io::Result<bool> {
    if let Some(secret) = hash.strip_prefix(PLAIN) {
        let digest = apop_digest(timestamp, secret);
        // Both are always compared.
        let (is_secret, is_digest) = (same(proof, secret), same(&proof.to_ascii_lowercase(), &digest));
        return Ok(!secret.is_empty() && (is_secret || is_digest && !timestamp.is_empty()));
    }
    if hash.starts_with(b"$argon2") {
        return argon2_fits(proof, hash).unwrap_or(Ok(false));
    }
    match os::password_hash::hash(proof, hash) {
        Ok(made) => Ok(same(&made, hash)),
        // Not a hash: a locked account, or none that this machine knows.
        Err(error) if error.raw_os_error() != Some(nix::libc::ENOMEM) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Takes as long as [`fits`] does for a name that is known, and fits nothing. `like`: somebody's hash, for its cost.
pub fn fits_nobody(proof: &[u8], like: Option<&[u8]>) {
    let setting = like.filter(|hash| hash.starts_with(b"$")).unwrap_or(NOBODYS_SETTING);
    let _ = std::hint::black_box(fits(proof, setting, b""));
}

/// RFC 1939 §7.
fn apop_digest(timestamp: &[u8], secret: &[u8]) -> Vec<u8> {
    let digest = Md5::new().chain_update(timestamp).chain_update(secret).finalize();
    digest.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()
}

/// Compares without saying, by the time it takes, where the difference is.
fn same(one: &[u8], other: &[u8]) -> bool {
    let difference = one.iter().zip(other).fold(0, |all, (a, b)| std::hint::black_box(all | (a ^ b)));
    one.len() == other.len() && difference == 0
}

/// `$argon2id$v=19$m=65536,t=3,p=4$salt$hash`. `None`: not such a hash, or one that costs too much.
fn argon2_fits(password: &[u8], hash: &[u8]) -> Option<io::Result<bool>> {
    let fields: Vec<&str> = std::str::from_utf8(hash).ok()?.split('$').collect();
    let ["", kind, version, costs, salt, wanted] = fields.as_slice() else { return None };
    let algorithm = kind.parse::<Algorithm>().ok()?;
    let version = Version::try_from(version.strip_prefix("v=")?.parse::<u32>().ok()?).ok()?;
    let mut costs = costs.split(',');
    let mut cost = |name: &str| costs.next()?.strip_prefix(name)?.parse::<u32>().ok();
    let (memory, passes, lanes) = (cost("m=")?, cost("t=")?, cost("p=")?);
    if memory > MEMORY_MAX_KIB || u64::from(memory).saturating_mul(u64::from(passes)) > WORK_MAX_KIB {
        return None;
    }
    let salt = Base64Unpadded::decode_vec(salt).ok()?;
    let wanted = Base64Unpadded::decode_vec(wanted).ok()?;
    let parameters = Params::new(memory, passes, lanes, Some(wanted.len())).ok()?;
    let mut made = vec![0; wanted.len()];
    match Argon2::new(algorithm, version, parameters).hash_password_into(password, &salt, &mut made) {
        Ok(()) => Some(Ok(same(&made, &wanted))),
        Err(argon2::Error::OutOfMemory) => Some(Err(io::ErrorKind::OutOfMemory.into())),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_method_knows_its_own() {
        let fresh = String::from_utf8(fresh(b"secret").unwrap()).unwrap();
        let hashes = [
            fresh.as_str(),
            // Made by openssl-passwd(1).
            "$6$saltstring$AIsRs/Ee56G/tC8MEHhvReZTfx8u3rXXMl6eYrjCG9ibix19DxoMBLogdTET5Ukw9Sf7eZTITsuk0Ry5qulYz.",
            "$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a",
        ];
        for hash in hashes {
            assert!(fits(b"secret", hash.as_bytes(), b"").unwrap());
            assert!(!fits(b"Secret", hash.as_bytes(), b"").unwrap());
            assert!(!fits(b"", hash.as_bytes(), b"").unwrap());
        }
    }

    #[test]
    fn argon2_is_the_reference_programs() {
        // From the tests of the reference implementation: password, salt "somesalt", 2 passes, 64 MiB and 256 KiB.
        let rows = [
            "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8",
        ];
        for hash in rows {
            assert!(fits(b"password", hash.as_bytes(), b"").unwrap(), "{hash}");
            assert!(!fits(b"passwore", hash.as_bytes(), b"").unwrap(), "{hash}");
        }
        let too_much =
            "$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        assert!(!fits(b"password", too_much.as_bytes(), b"").unwrap());
    }

    #[test]
    fn a_secret_fits_itself_and_its_digest() {
        // RFC 1939 §7.
        let (stamp, digest) = (b"<1896.697170952@dbc.mtview.ca.us>", b"c4c9334bac560ecc979e58001b3e22fb");
        assert!(fits(digest, b"{PLAIN}tanstaaf", stamp).unwrap());
        assert!(fits(b"tanstaaf", b"{PLAIN}tanstaaf", stamp).unwrap());
        assert!(!fits(digest, b"{PLAIN}tanstaaf", b"<1897.697170952@dbc.mtview.ca.us>").unwrap());
        assert!(!fits(b"", b"{PLAIN}", stamp).unwrap());
        assert!(!fits(&apop_digest(b"", b"x"), b"{PLAIN}x", b"").unwrap());
    }

    #[test]
    fn what_is_no_hash_fits_nothing() {
        for hash in ["", "*", "!", "!!", "x", "$99$a$b", "$argon2id$", "$argon2id$v=19$m=1$$", "!$y$j9T$x$y"]
        {
            assert!(!fits(b"", hash.as_bytes(), b"").unwrap(), "{hash}");
            assert!(!fits(hash.as_bytes(), hash.as_bytes(), b"").unwrap(), "{hash}");
        }
        // The decoy is a setting that the library takes: else it would cost nothing.
        assert!(os::password_hash::hash(b"x", NOBODYS_SETTING).is_ok());
    }

    proptest! {
        #[test]
        fn no_hash_is_too_odd(hash in r"\$argon2i?d?\$(v=19)?\$m=[0-9]{1,3},t=[0-9],p=[0-9]\$[a-zA-Z0-9]{0,12}\$[a-z]{0,20}") {
            prop_assert!(!fits(b"password", hash.as_bytes(), b"").unwrap());
        }
    }
}
