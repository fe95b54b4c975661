//! The time-out table: addresses that did not answer lately (contract 9.5, tcpto in 4.2).
//!
//! `queue/lock/tcpto` holds IPv4 addresses in the original's 16-byte records, for qmail-tcpto(8) and qmail-tcpok(8);
//! `queue/lock/tcpto6` holds IPv6 addresses in records of our own (D17), and does without a table where it
//! cannot be made. Both are written in place under flock. Nothing depends on them but speed: every error means
//! "not in the table".

use std::fs::{File, OpenOptions};
use std::net::IpAddr;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

/// Records used of a file, however long it is.
const MOST_RECORDS: usize = 64;
/// Time-outs in a row after which an address is left alone for a while.
pub(crate) const ENOUGH: u8 = 2;
/// The count goes no higher.
const MOST_COUNTED: u8 = 10;
/// Time-outs closer together count once.
pub(crate) const GRACE_SECONDS: u32 = 120;

/// What is known of one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Not in the table.
    Unknown,
    /// In the table; success or another kind of failure clears it.
    Listed,
    /// Timed out too often and too lately: do not try.
    Avoid,
}

/// How a connection attempt ended, as far as the table cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// No answer in time.
    TimedOut,
    /// Connected, refused, unreachable: the host is not silent.
    Answered,
}

/// The two files of an installation.
#[derive(Clone, Debug)]
pub struct TimeoutTable {
    four: PathBuf,
    six: PathBuf,
    /// Spreads the ends of the waiting over processes, as in the original.
    salt: u32,
}

/// The 16-byte record of IPv4: address, count, 3 zero bytes, time, 4 zero bytes.
const FOUR: Shape = Shape { address: 4, record: 16 };
/// Ours of IPv6: the same behind a longer address, 32 bytes.
const SIX: Shape = Shape { address: 16, record: 32 };

#[derive(Clone, Copy)]
struct Shape {
    address: usize,
    record: usize,
}

impl TimeoutTable {
    /// The table below `home`. `pid` is the original's salt.
    pub fn at(home: &Path, pid: u32) -> Self {
        let lock = home.join("queue/lock");
        Self { four: lock.join("tcpto"), six: lock.join("tcpto6"), salt: pid % 32 }
    }

    /// Empties both files, as qmail-rspawn does at its start. The IPv4 file must be there already.
    pub fn clear(&self) {
        for (path, length) in
            [(&self.four, MOST_RECORDS * FOUR.record), (&self.six, MOST_RECORDS * SIX.record)]
        {
            let _ = OpenOptions::new()
                .write(true)
                .open(path)
                .and_then(|file| file.write_all_at(&vec![0; length], 0));
        }
    }

    /// How long an address that timed out too often is left alone: 64 to about 97 minutes.
    pub fn avoid_seconds(&self) -> u32 {
        self.salt.saturating_add(60).saturating_mul(64)
    }

    /// Whether the table of IPv4 was emptied later than `when`, as by qmail-tcpok(8).
    pub fn was_cleared_after(&self, when: u32) -> bool {
        let changed = std::fs::metadata(&self.four).map_or(0, |found| found.mtime());
        i64::from(when) < changed
            && std::fs::read(&self.four)
                .is_ok_and(|bytes| records(&bytes, FOUR).all(|record| record.count == 0))
    }

    /// Whether `address` may be tried at `now` (seconds since 1970).
    pub fn standing(&self, address: IpAddr, now: u32) -> Standing {
        let Some((_file, bytes)) = self.open(address) else { return Standing::Unknown };
        let (shape, key) = key(address);
        match records(&bytes, shape).find(|record| record.count > 0 && record.address == key) {
            None => Standing::Unknown,
            Some(record) => {
                // Modulo 2^32: the format's time ends in 2106 (D51).
                let recent = now.wrapping_sub(record.when) < self.avoid_seconds();
                if record.count >= ENOUGH && recent { Standing::Avoid } else { Standing::Listed }
            }
        }
    }

    /// Notes how an attempt ended. `standing` is what [`TimeoutTable::standing`] said before it.
    pub fn note(&self, address: IpAddr, attempt: Attempt, standing: Standing, now: u32) {
        if attempt == Attempt::Answered && standing == Standing::Unknown {
            return;
        }
        let Some((file, bytes)) = self.open(address) else { return };
        let (shape, key) = key(address);
        let listed = records(&bytes, shape).position(|record| record.address == key);
        let (index, count) = match (attempt, listed) {
            (Attempt::Answered, None) => return,
            (Attempt::Answered, Some(index)) => (index, 0),
            (Attempt::TimedOut, Some(index)) => {
                let Some(record) = records(&bytes, shape).nth(index) else { return };
                if record.count > 0 && now.wrapping_sub(record.when) < GRACE_SECONDS {
                    return;
                }
                (index, record.count.saturating_add(1).min(MOST_COUNTED))
            }
            (Attempt::TimedOut, None) => match least_useful(&bytes, shape) {
                Some(index) => (index, 1),
                None => return,
            },
        };
        let mut record = vec![0; shape.record];
        let mut put = |at: usize, value: &[u8]| {
            if let Some(place) = record.get_mut(at..at.saturating_add(value.len())) {
                place.copy_from_slice(value);
            }
        };
        put(0, key.as_slice());
        put(shape.address, &[count]);
        put(shape.address.saturating_add(4), &now.to_le_bytes());
        let offset = u64::try_from(index.saturating_mul(shape.record)).unwrap_or(0);
        let _ = file.write_all_at(&record, offset);
    }

    fn open(&self, address: IpAddr) -> Option<(Flock<File>, Vec<u8>)> {
        let (path, shape) = match address {
            IpAddr::V4(_) => (&self.four, FOUR),
            IpAddr::V6(_) => (&self.six, SIX),
        };
        let ours = address.is_ipv6();
        let file = OpenOptions::new().read(true).write(true).create(ours).truncate(false).open(path).ok()?;
        let file = Flock::lock(file, FlockArg::LockExclusive).ok()?;
        let length = MOST_RECORDS.saturating_mul(shape.record);
        if ours && file.metadata().ok()?.len() == 0 {
            file.set_len(u64::try_from(length).ok()?).ok()?;
        }
        let mut bytes = vec![0; length];
        let mut have = 0;
        while let Some(rest) = bytes.get_mut(have..).filter(|rest| !rest.is_empty()) {
            match file.read_at(rest, u64::try_from(have).ok()?).ok()? {
                0 => break,
                more => have = have.saturating_add(more),
            }
        }
        bytes.truncate(have);
        Some((file, bytes))
    }
}

struct Record<'a> {
    address: &'a [u8],
    count: u8,
    when: u32,
}

fn key(address: IpAddr) -> (Shape, Vec<u8>) {
    match address {
        IpAddr::V4(four) => (FOUR, four.octets().to_vec()),
        IpAddr::V6(six) => (SIX, six.octets().to_vec()),
    }
}

fn records(bytes: &[u8], shape: Shape) -> impl Iterator<Item = Record<'_>> {
    bytes.chunks_exact(shape.record).filter_map(move |record| {
        let (address, rest) = record.split_at_checked(shape.address)?;
        let (count, rest) = rest.split_first()?;
        let when = rest.get(3..7)?.first_chunk::<4>()?;
        Some(Record { address, count: *count, when: u32::from_le_bytes(*when) })
    })
}

/// The first free record, else the one whose time and count promise least.
fn least_useful(bytes: &[u8], shape: Shape) -> Option<usize> {
    let worth = |record: &Record<'_>| {
        u64::from(record.when).saturating_add(u64::from(record.count).saturating_mul(1024))
    };
    records(bytes, shape)
        .enumerate()
        .min_by_key(
            |(index, record)| if record.count == 0 { (0, 0, *index) } else { (1, worth(record), *index) },
        )
        .map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use Attempt::*;
    use Standing::*;

    const NOW: u32 = 1_800_000_000;

    fn home(bytes: usize) -> (tempfile::TempDir, TimeoutTable) {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(home.path().join("queue/lock")).unwrap();
        std::fs::write(home.path().join("queue/lock/tcpto"), vec![0; bytes]).unwrap();
        let table = TimeoutTable::at(home.path(), 0);
        (home, table)
    }

    fn both() -> [IpAddr; 2] {
        ["192.0.2.7".parse().unwrap(), "2001:db8::7".parse().unwrap()]
    }

    #[test]
    fn two_time_outs_apart_make_an_address_avoided_for_a_while() {
        let (_home, table) = home(1024);
        for address in both() {
            assert_eq!(table.standing(address, NOW), Unknown);
            table.note(address, TimedOut, Unknown, NOW);
            assert_eq!(table.standing(address, NOW), Listed);
            table.note(address, TimedOut, Listed, NOW + 119);
            assert_eq!(table.standing(address, NOW + 119), Listed, "too close to count twice");
            table.note(address, TimedOut, Listed, NOW + 120);
            assert_eq!(table.standing(address, NOW + 120), Avoid);
            assert_eq!(table.standing(address, NOW + 120 + 60 * 64 - 1), Avoid);
            assert_eq!(table.standing(address, NOW + 120 + 60 * 64), Listed);
            table.note(address, Answered, Listed, NOW + 9000);
            assert_eq!(table.standing(address, NOW + 9000), Unknown);
        }
    }

    #[test]
    fn the_ipv4_file_has_the_records_of_the_original() {
        let (home, table) = home(1024);
        table.note("192.0.2.7".parse().unwrap(), TimedOut, Unknown, NOW);
        let bytes = std::fs::read(home.path().join("queue/lock/tcpto")).unwrap();
        assert_eq!(bytes.len(), 1024);
        assert_eq!(bytes[..8], [192, 0, 2, 7, 1, 0, 0, 0]);
        assert_eq!(bytes[8..12], NOW.to_le_bytes());
        assert!(bytes[12..].iter().all(|byte| *byte == 0));
        assert!(!table.was_cleared_after(0));
        table.clear();
        assert_eq!(std::fs::read(home.path().join("queue/lock/tcpto")).unwrap(), [0; 1024]);
        assert!(table.was_cleared_after(0) && !table.was_cleared_after(u32::MAX));
    }

    #[test]
    fn a_full_table_gives_up_its_least_useful_record() {
        let (_home, table) = home(1024);
        let address = |n: u8| IpAddr::from([192, 0, 2, n]);
        for n in 0..64 {
            table.note(address(n), TimedOut, Unknown, NOW + u32::from(n));
        }
        table.note(address(200), TimedOut, Unknown, NOW + 64);
        assert_eq!(table.standing(address(0), NOW + 64), Unknown);
        assert_eq!(table.standing(address(1), NOW + 64), Listed);
        assert_eq!(table.standing(address(200), NOW + 64), Listed);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_file_is_a_table(bytes in proptest::collection::vec(any::<u8>(), 0..1100), now: u32, last: u8) {
            let (home, table) = home(0);
            for name in ["tcpto", "tcpto6"] {
                std::fs::write(home.path().join("queue/lock").join(name), &bytes).unwrap();
            }
            for address in [IpAddr::from([192, 0, 2, last]), IpAddr::from([last; 16])] {
                let standing = table.standing(address, now);
                table.note(address, TimedOut, standing, now);
                table.note(address, Answered, Listed, now);
                prop_assert_eq!(table.standing(address, now), Unknown);
            }
            let length = std::fs::metadata(home.path().join("queue/lock/tcpto")).unwrap().len();
            prop_assert_eq!(usize::try_from(length).unwrap(), bytes.len());
        }
    }

    #[test]
    fn an_empty_a_missing_and_an_odd_file_are_no_table() {
        for bytes in [0, 7] {
            let (_home, table) = home(bytes);
            table.note("192.0.2.7".parse().unwrap(), TimedOut, Unknown, NOW);
            assert_eq!(table.standing("192.0.2.7".parse().unwrap(), NOW), Unknown);
        }
        let table = TimeoutTable::at(Path::new("/nonexistent"), 3);
        for address in both() {
            table.note(address, TimedOut, Unknown, NOW);
            assert_eq!(table.standing(address, NOW), Unknown);
        }
    }
}
