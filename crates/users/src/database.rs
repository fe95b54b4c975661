//! Looking a local part up in `users/cdb` (qmail-users(5)).
//!
//! First the exact key, `!` local NUL. Then the wildcards, longest first: prefixes of `!` local, each tried only
//! where its last byte ends some wildcard (the list stands under the empty key); the rest of the local part, in
//! its own case, goes behind the last field.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use cdb::{Cdb, ReadError};
use contracts::lookup::Owner;

/// Cannot tell from users/cdb, because …
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The file is there but does not open.
    #[error("cannot open users/cdb")]
    Open(#[source] io::Error),
    /// A damaged or unreadable file.
    #[error("cannot look up in users/cdb")]
    Lookup(#[from] ReadError),
    /// The list of wildcard ends is missing: qmail-newu(8) did not write this file.
    #[error("users/cdb has no list of wildcard ends")]
    NoWildcardEnds,
    /// The record found is not six fields with a numeric uid and gid.
    #[error("a record of users/cdb is not six fields with a numeric uid and gid")]
    Malformed,
}

/// A file up to this size is kept in memory between lookups.
const KEPT_MAX_BYTES: u64 = 1 << 20;

/// A file that has been changed as lately as this may be changed again without its times telling.
const SETTLED_SECONDS: i64 = 2;

/// The file at one path, asked again and again. It is looked at for each lookup and read again when it has changed.
#[derive(Debug)]
pub struct Database {
    path: PathBuf,
    kept: Option<(Version, Cdb)>,
}

/// What is different about a file that has been replaced or written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Version {
    device: u64,
    inode: u64,
    size_bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Database {
    /// Nothing is read yet.
    pub fn at(path: PathBuf) -> Self {
        Self { path, kept: None }
    }

    /// The owner that the file gives to `local`. `None`: no such file, or nobody in it.
    pub fn owner(&mut self, local: &[u8]) -> Result<Option<Owner>, DatabaseError> {
        if let Some((version, cdb)) = &self.kept
            && std::fs::metadata(&self.path).is_ok_and(|now| Version::of(&now) == *version)
        {
            return find(cdb, local);
        }
        self.kept = None;
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(DatabaseError::Open(error)),
        };
        let metadata = file.metadata().map_err(DatabaseError::Open)?;
        if !metadata.is_file() || metadata.len() > KEPT_MAX_BYTES || !has_settled(&metadata) {
            return find(&Cdb::from_file(file).map_err(DatabaseError::Open)?, local);
        }
        let mut bytes = Vec::new();
        let read = (&mut file).take(KEPT_MAX_BYTES).read_to_end(&mut bytes);
        read.map_err(|error| DatabaseError::Lookup(ReadError::Read(error)))?;
        let (_, cdb) = self.kept.insert((Version::of(&metadata), Cdb::from_bytes(bytes)));
        find(cdb, local)
    }
}

impl Version {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size_bytes: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Whether the next write will show in the file's times: they tick slower than a disk writes.
fn has_settled(metadata: &Metadata) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let now = i64::try_from(now).unwrap_or(0);
    metadata.ctime().max(metadata.mtime()).saturating_add(SETTLED_SECONDS) < now
}

/// The owner that the file at `path` gives to `local`. `None`: no such file, or nobody in it.
pub fn owner(path: &Path, local: &[u8]) -> Result<Option<Owner>, DatabaseError> {
    match Cdb::open(path) {
        Ok(cdb) => find(&cdb, local),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(DatabaseError::Open(error)),
    }
}

fn find(cdb: &Cdb, local: &[u8]) -> Result<Option<Owner>, DatabaseError> {
    let wildcard_ends = cdb.find(b"")?.ok_or(DatabaseError::NoWildcardEnds)?;
    let mut key = [b"!", local, b"\0"].concat();
    key.make_ascii_lowercase();
    if let Some(data) = cdb.find(&key)? {
        return decode(&data, b"");
    }
    key.pop();
    while let Some(&last) = key.last() {
        if (key.len() == 1 || wildcard_ends.contains(&last))
            && let Some(data) = cdb.find(&key)?
        {
            return decode(&data, local.get(key.len() - 1..).unwrap_or_default());
        }
        key.pop();
    }
    Ok(None)
}

fn decode(data: &[u8], rest: &[u8]) -> Result<Option<Owner>, DatabaseError> {
    let mut owner = Owner::decode(data).map_err(|_| DatabaseError::Malformed)?;
    owner.ext.extend_from_slice(rest);
    Ok(Some(owner))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(assign: &[u8]) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("users")).unwrap();
        std::fs::write(home.path().join("users/assign"), assign).unwrap();
        crate::compile::compile(home.path()).unwrap();
        home
    }

    #[test]
    fn exact_first_then_the_longest_wildcard() {
        let home = made(
            b"=joe:joe:1:10:/joe:::\n+joe-:joe:1:10:/joe:-:pre-:\n+joe-Special-:sp:2:20:/sp:-::\n+:rest:3:30:/rest:-::\n+JoeX:x:4:40:/x:::\n.\n",
        );
        let rows: [(&[u8], &[u8], &[u8]); 8] = [
            (b"joe", b"joe", b""),
            (b"JOE", b"joe", b""),
            (b"joe-", b"joe", b"pre-"),
            (b"joe-A-b", b"joe", b"pre-A-b"),
            (b"joe-SPECIAL-q-R", b"sp", b"q-R"),
            (b"Else-Where", b"rest", b"Else-Where"),
            (b"joexY", b"x", b"Y"),
            (b"", b"rest", b""),
        ];
        for (local, user, ext) in &rows {
            let got = owner(&home.path().join("users/cdb"), local).unwrap().unwrap();
            assert_eq!((&got.user[..], &got.ext[..]), (*user, *ext), "{local:?}");
        }
    }

    #[test]
    fn a_database_that_is_kept_answers_as_the_file_does() {
        let home = made(b"=joe:joe:1:10:/joe:::\n.\n");
        let path = home.path().join("users/cdb");
        let mut database = Database::at(path.clone());
        let who = |database: &mut Database, local: &[u8]| {
            database.owner(local).map(|owner| owner.map(|owner| owner.uid))
        };
        assert_eq!(who(&mut database, b"joe").unwrap(), Some(1));
        assert!(database.kept.is_none(), "a file this new may change without its times telling");

        // As if it had been looked at later than that.
        let metadata = std::fs::metadata(&path).unwrap();
        let kept = Cdb::from_bytes(std::fs::read(&path).unwrap());
        database.kept = Some((Version::of(&metadata), kept));
        assert_eq!(who(&mut database, b"joe").unwrap(), Some(1));
        assert_eq!(who(&mut database, b"ann").unwrap(), None);
        assert!(database.kept.is_some());

        std::fs::write(home.path().join("users/assign"), b"=joe:joe:2:10:/joe:::\n.\n").unwrap();
        crate::compile::compile(home.path()).unwrap();
        assert_eq!(who(&mut database, b"joe").unwrap(), Some(2));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(who(&mut database, b"joe").unwrap(), None);
    }

    #[test]
    fn nobody_and_no_file_are_none() {
        let home = made(b"=joe:joe:1:10:/joe:::\n.\n");
        assert!(owner(&home.path().join("users/cdb"), b"ann").unwrap().is_none());
        assert!(owner(&home.path().join("users/none"), b"joe").unwrap().is_none());
    }

    #[test]
    fn damage_is_an_error_and_not_an_unknown_user() {
        let home = made(b"=joe:joe:x:10:/joe:::\n.\n");
        let file = home.path().join("users/cdb");
        assert!(matches!(owner(&file, b"joe"), Err(DatabaseError::Malformed)));
        std::fs::write(&file, b"junk").unwrap();
        assert!(matches!(owner(&file, b"joe"), Err(DatabaseError::Lookup(_))));
        std::fs::write(&file, [0; 2048]).unwrap();
        assert!(matches!(owner(&file, b"joe"), Err(DatabaseError::NoWildcardEnds)));
    }
}
