//! qmail-tcpto(8) and qmail-tcpok(8): the table of hosts that did not answer (contract 9.5, 10.7).
//!
//! `queue/lock/tcpto` has records of 16 bytes for IPv4: address, count, 3 zeros, time, 4 zeros, numbers in
//! little-endian order. `queue/lock/tcpto6`, which may be missing, is ours: the same with 16 bytes of address, in
//! records of 32.

use nix::fcntl::{Flock, FlockArg};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The longest table that is looked at.
const TABLE_MAX_BYTES: u64 = 64 * 1024;

/// Why not; the texts that the programs print behind `fatal: `.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// Opening or locking it.
    #[error("unable to open tcpto: {}", os::strerror::of(.0))]
    Open(#[source] io::Error),
    /// Reading it.
    #[error("unable to read tcpto: {}", os::strerror::of(.0))]
    Read(#[source] io::Error),
    /// Emptying it.
    #[error("unable to write {0}: {why}", why = os::strerror::of(.1))]
    Clear(String, #[source] io::Error),
    /// Standard output.
    #[error("unable to print: {}", os::strerror::of(.0))]
    Print(#[source] io::Error),
}

/// Lists the addresses that timed out, at `now` (seconds since 1970, modulo 2^32).
pub fn print(home: &Path, now: u32, out: &mut dyn Write) -> Result<(), TableError> {
    let lock = home.join("queue/lock");
    let four = table(&lock.join("tcpto"))?;
    let six = match table(&lock.join("tcpto6")) {
        Err(TableError::Open(error)) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        read => read?,
    };
    let short = four.chunks_exact(16).filter_map(|record| {
        let (address, rest) = record.split_first_chunk::<4>()?;
        Some((Ipv4Addr::from(*address).to_string(), rest))
    });
    let long = six.chunks_exact(32).filter_map(|record| {
        let (address, rest) = record.split_first_chunk::<16>()?;
        Some((Ipv6Addr::from(*address).to_string(), rest))
    });
    for (address, rest) in short.chain(long) {
        let (Some(&count), Some(when)) = (rest.first(), rest.get(4..).and_then(|rest| rest.first_chunk()))
        else {
            continue;
        };
        if count > 0 {
            let seconds = now.wrapping_sub(u32::from_le_bytes(*when));
            writeln!(out, "{address} timed out {seconds} seconds ago; # recent timeouts: {count}")
                .map_err(TableError::Print)?;
        }
    }
    out.flush().map_err(TableError::Print)
}

fn table(path: &Path) -> Result<Vec<u8>, TableError> {
    let file = File::open(path).map_err(TableError::Open)?;
    let file = lock(file, FlockArg::LockShared).map_err(TableError::Open)?;
    let mut bytes = Vec::new();
    Read::by_ref(&mut &*file).take(TABLE_MAX_BYTES).read_to_end(&mut bytes).map_err(TableError::Read)?;
    Ok(bytes)
}

/// Forgets them all.
pub fn clear(home: &Path) -> Result<(), TableError> {
    empty(&home.join("queue/lock/tcpto"))?;
    match empty(&home.join("queue/lock/tcpto6")) {
        Err(TableError::Clear(_, error)) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

fn empty(path: &Path) -> Result<(), TableError> {
    let cleared = OpenOptions::new().write(true).open(path).and_then(|file| {
        let file = lock(file, FlockArg::LockExclusive)?;
        let length = file.metadata()?.len().min(TABLE_MAX_BYTES);
        let zeros = vec![0; usize::try_from(length).unwrap_or_default()];
        file.write_all_at(&zeros, 0)
    });
    cleared.map_err(|error| TableError::Clear(path.display().to_string(), error))
}

fn lock(file: File, how: FlockArg) -> io::Result<Flock<File>> {
    Flock::lock(file, how).map_err(|(_, errno)| io::Error::from(errno))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn home(four: &[u8], six: Option<&[u8]>) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(home.path().join("queue/lock")).unwrap();
        std::fs::write(home.path().join("queue/lock/tcpto"), four).unwrap();
        if let Some(six) = six {
            std::fs::write(home.path().join("queue/lock/tcpto6"), six).unwrap();
        }
        home
    }

    #[test]
    fn both_kinds_of_addresses_are_listed_and_forgotten() {
        let mut four = [0; 64];
        four[16..25].copy_from_slice(&[192, 0, 2, 7, 3, 0, 0, 0, 90]);
        let mut six = [0; 32];
        six[..2].copy_from_slice(&[0x20, 1]);
        six[15..17].copy_from_slice(&[1, 2]);
        let home = home(&four, Some(&six));
        let mut out = Vec::new();
        print(home.path(), 100, &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "192.0.2.7 timed out 10 seconds ago; # recent timeouts: 3\n\
             2001::1 timed out 100 seconds ago; # recent timeouts: 2\n"
        );
        clear(home.path()).unwrap();
        assert_eq!(std::fs::read(home.path().join("queue/lock/tcpto")).unwrap(), [0; 64]);
        assert_eq!(std::fs::read(home.path().join("queue/lock/tcpto6")).unwrap(), [0; 32]);
    }

    #[test]
    fn only_the_table_of_ipv4_must_be_there() {
        let with = home(&[0; 16], None);
        print(with.path(), 0, &mut Vec::new()).unwrap();
        clear(with.path()).unwrap();
        let without = tempfile::tempdir().unwrap();
        let error = print(without.path(), 0, &mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "unable to open tcpto: file does not exist");
        assert!(clear(without.path()).unwrap_err().to_string().ends_with("tcpto: file does not exist"));
    }

    proptest! {
        #[test]
        fn any_table_can_be_listed(four: Vec<u8>, six: Vec<u8>, now: u32) {
            let home = home(&four, Some(&six));
            prop_assert!(print(home.path(), now, &mut Vec::new()).is_ok());
        }
    }
}
