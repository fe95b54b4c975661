//! How often one address may be wrong (D57): some failures at once, then one for each interval that goes by.
//!
//! One file for all checking programs: a secret key, then a row of places, eight bytes each. An address has one place,
//! found by a hash under that key, so that nobody can choose to share the place of somebody else. In it stands the time,
//! in milliseconds since 1970, at which all its failures will be forgotten (the generic cell rate algorithm). Each try is
//! charged before it is judged, or many at once would all be free; a success is given back.

use nix::fcntl::{Flock, FlockArg, OFlag};
use std::fs::File;
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Below the installation.
pub const PLACE: &str = "run/passwordfailures";

/// After this time one failure is forgotten.
pub const INTERVAL: Duration = Duration::from_secs(30);

const KEY_BYTES: usize = 16;
const PLACES: u64 = 65_536;
const PLACE_BYTES: u64 = 8;

/// The file.
#[derive(Debug)]
pub struct Failures {
    file: File,
    at_once: u64,
}

/// A try that is under way.
#[derive(Debug)]
pub struct Try {
    file: File,
    offset: u64,
}

impl Failures {
    /// Opens the file, or makes it. `at_once`: failures in a row that cost nothing but time.
    ///
    /// A file that is not ours alone is refused: it would say what somebody else likes.
    pub fn open(path: &Path, at_once: u64) -> io::Result<Self> {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
            .open(path)?;
        let found = file.metadata()?;
        if !found.is_file() || found.nlink() != 1 || found.uid() != nix::unistd::geteuid().as_raw() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Ok(Self { file, at_once })
    }

    /// Charges a try of `client`. `None`: it has been wrong too often and is to wait.
    pub fn begin(self, client: IpAddr, now: SystemTime) -> io::Result<Option<Try>> {
        let Self { file, at_once } = self;
        let locked =
            Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| io::Error::from(error))?;
        let offset = offset_of(&key_of(&locked)?, client);
        let now = milliseconds(now.duration_since(UNIX_EPOCH).unwrap_or_default());
        let interval = milliseconds(INTERVAL);
        let most = interval.saturating_mul(at_once);
        // A time further ahead than can be comes from a clock that was wrong.
        let latest = now.saturating_add(most);
        let forgotten =
            Some(read(&locked, offset)?).filter(|time| (now..=latest).contains(time)).unwrap_or(now);
        let charged = forgotten.saturating_add(interval);
        let may_try = charged <= latest;
        if may_try {
            locked.write_all_at(&charged.to_le_bytes(), offset)?;
        }
        let file = locked.unlock().map_err(|(_, error)| io::Error::from(error))?;
        Ok(may_try.then_some(Try { file, offset }))
    }
}

impl Try {
    /// It was right: it is not counted.
    pub fn succeeded(self) -> io::Result<()> {
        let locked =
            Flock::lock(self.file, FlockArg::LockExclusive).map_err(|(_, error)| io::Error::from(error))?;
        let forgotten = read(&locked, self.offset)?.saturating_sub(milliseconds(INTERVAL));
        locked.write_all_at(&forgotten.to_le_bytes(), self.offset)
    }
}

/// Made at random with the file.
fn key_of(file: &File) -> io::Result<[u8; KEY_BYTES]> {
    let mut key = [0; KEY_BYTES];
    match file.read_exact_at(&mut key, 0) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            // The standard library seeds its hash maps from the kernel's random numbers.
            let random = || RandomState::new().hash_one(0_u8);
            for (place, byte) in
                key.iter_mut().zip(random().to_le_bytes().into_iter().chain(random().to_le_bytes()))
            {
                *place = byte;
            }
            file.write_all_at(&key, 0)?;
        }
        result => result?,
    }
    Ok(key)
}

/// Of the place of an address. Whoever has one IPv6 address has the 64 bits below it.
fn offset_of(key: &[u8; KEY_BYTES], client: IpAddr) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    match client.to_canonical() {
        IpAddr::V4(address) => address.octets().hash(&mut hasher),
        IpAddr::V6(address) => address.octets().first_chunk::<8>().hash(&mut hasher),
    }
    let place = hasher.finish() % PLACES;
    place.saturating_mul(PLACE_BYTES).saturating_add(u64::try_from(KEY_BYTES).unwrap_or(0))
}

/// What was never written is 0.
fn read(file: &File, offset: u64) -> io::Result<u64> {
    let mut bytes = [0; 8];
    match file.read_exact_at(&mut bytes, offset) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
        result => result.map(|()| u64::from_le_bytes(bytes)),
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(path: &Path, client: &str, seconds: u64) -> Option<Try> {
        let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds);
        Failures::open(path, 3).unwrap().begin(client.parse().unwrap(), now).unwrap()
    }

    #[test]
    fn three_failures_then_one_each_interval() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("failures");
        let may = |client: &str, seconds| tried(&path, client, seconds).is_some();
        assert_eq!([0, 0, 1, 1, 29].map(|s| may("192.0.2.1", s)), [true, true, true, false, false]);
        assert_eq!([31, 31, 61, 61].map(|s| may("192.0.2.1", s)), [true, false, true, false]);
        // Others are not held to it, the same client in another spelling is.
        assert!(may("192.0.2.2", 61));
        assert!(!may("::ffff:192.0.2.1", 62));
        assert_eq!([0, 0, 0].map(|s| may("2001:db8::1", s)), [true; 3]);
        assert!(!may("2001:db8::2", 0));
        assert!(may("2001:db8:0:1::1", 0));
        assert_eq!([900, 900, 900, 900].map(|s| may("192.0.2.1", s)), [true, true, true, false]);
    }

    #[test]
    fn a_success_costs_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("failures");
        for _ in 0..10 {
            tried(&path, "192.0.2.1", 0).unwrap().succeeded().unwrap();
        }
        assert_eq!([0; 4].map(|s| tried(&path, "192.0.2.1", s).is_some()), [true, true, true, false]);
    }

    #[test]
    fn a_clock_that_was_wrong_locks_nobody_out() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("failures");
        assert!(tried(&path, "192.0.2.1", 999_999_999).is_some());
        assert!(tried(&path, "192.0.2.1", 999_999_999).is_some());
        assert_eq!([0; 4].map(|s| tried(&path, "192.0.2.1", s).is_some()), [true, true, true, false]);
    }

    #[test]
    fn a_file_of_somebody_elses_making_is_not_used() {
        let directory = tempfile::tempdir().unwrap();
        let (path, other) = (directory.path().join("failures"), directory.path().join("other"));
        std::fs::write(&other, "precious").unwrap();
        std::os::unix::fs::symlink(&other, &path).unwrap();
        assert!(Failures::open(&path, 3).is_err());
        std::fs::remove_file(&path).unwrap();
        std::fs::hard_link(&other, &path).unwrap();
        assert!(Failures::open(&path, 3).is_err());
    }
}
