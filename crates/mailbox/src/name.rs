//! What a new Maildir file is called: `SECONDS.uniq.HOST`.
//!
//! `uniq` begins with the process number and goes on with microseconds, a random number of this
//! process and a counter, so that neither many deliveries a second nor containers that all run
//! as pid 2 of the same host name meet (the original's name was seconds, pid and host alone).

use std::hash::{BuildHasher as _, RandomState};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// No host name makes a file name longer than the 255 bytes that file systems allow.
const HOST_MAX_BYTES: usize = 128;

static DELIVERIES: AtomicU64 = AtomicU64::new(0);

/// A name that this process has not used before.
pub fn fresh() -> Vec<u8> {
    static HOST: OnceLock<Vec<u8>> = OnceLock::new();
    static RANDOM: OnceLock<u32> = OnceLock::new();
    static PROCESS: OnceLock<u32> = OnceLock::new();
    let host = HOST.get_or_init(|| {
        escaped_host(
            &nix::unistd::gethostname()
                .map_or_else(|_| Vec::new(), std::os::unix::ffi::OsStringExt::into_vec),
        )
    });
    // The standard library seeds its hash maps from the kernel's random numbers.
    let random = *RANDOM.get_or_init(|| RandomState::new().hash_one(0_u8) as u32);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    name(
        now.as_secs(),
        &Uniq {
            process: *PROCESS.get_or_init(std::process::id),
            microseconds: now.subsec_micros(),
            random,
            delivery: DELIVERIES.fetch_add(1, Ordering::Relaxed),
        },
        host,
    )
}

/// The middle of a name.
struct Uniq {
    process: u32,
    microseconds: u32,
    random: u32,
    delivery: u64,
}

fn name(seconds: u64, uniq: &Uniq, host: &[u8]) -> Vec<u8> {
    let Uniq { process, microseconds, random, delivery } = uniq;
    let mut name = format!("{seconds}.{process}M{microseconds:06}R{random:08x}Q{delivery}.").into_bytes();
    name.extend_from_slice(host);
    name
}

/// A slash would name a directory, a colon begins the flags: both get Bernstein's escapes.
fn escaped_host(host: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(host.len());
    for &byte in host {
        let one = [byte];
        let spelling: &[u8] = match byte {
            b'/' => b"\\057",
            b':' => b"\\072",
            0 => break,
            _ => &one,
        };
        if escaped.len() + spelling.len() > HOST_MAX_BYTES {
            break;
        }
        escaped.extend_from_slice(spelling);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_three_parts_and_uniq_begins_with_the_process() {
        let uniq = Uniq { process: 42, microseconds: 70, random: 0xbeef, delivery: 3 };
        assert_eq!(name(1_700_000_000, &uniq, b"a.host"), b"1700000000.42M000070R0000beefQ3.a.host");
    }

    #[test]
    fn hosts_are_escaped() {
        for (host, escaped) in [
            (&b"mx.example"[..], &b"mx.example"[..]),
            (b"a/b:c", b"a\\057b\\072c"),
            (b"", b""),
            (b"cut\0here", b"cut"),
        ] {
            assert_eq!(escaped_host(host), escaped);
        }
        assert!(escaped_host(&[b':'; 300]).len() <= HOST_MAX_BYTES);
    }

    #[test]
    fn no_two_names_are_equal() {
        let names: std::collections::HashSet<_> = (0..1000).map(|_| fresh()).collect();
        assert_eq!(names.len(), 1000);
    }
}
