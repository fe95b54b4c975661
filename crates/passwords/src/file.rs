//! `users/passwords`: searched by the checking program, changed by `quail passwd`.
//!
//! It belongs to root and nobody else reads it. A change replaces the whole file, so a reader sees the old one or the new
//! one; two changes at a time wait for each other.

use crate::record::Record;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Below the installation.
pub const PLACE: &str = "users/passwords";

/// A larger file is not read: half a million users have room.
pub const FILE_MAX_BYTES: u64 = 64 << 20;

/// What the file says about a name.
#[derive(Debug, Default)]
pub struct Found {
    /// Its record, if it has one; the first, if it has several.
    pub record: Option<Record>,
    /// Some hash of the file, which shows what computing one costs here.
    pub some_hash: Option<Vec<u8>>,
}

/// The whole file is always read, whoever is looked for: time tells nothing. No file: nobody.
pub fn find(path: &Path, login: &[u8]) -> io::Result<Found> {
    let mut found = Found::default();
    for line in read(path)?.split(|&b| b == b'\n') {
        let Some(Ok(record)) = Record::parse(line) else { continue };
        if found.some_hash.is_none() {
            found.some_hash = Some(record.hash.clone());
        }
        if record.is_for(login) && found.record.is_none() {
            found.record = Some(record);
        }
    }
    Ok(found)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        result => result?,
    };
    let mut bytes = Vec::new();
    file.take(FILE_MAX_BYTES.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= FILE_MAX_BYTES) {
        Ok(bytes)
    } else {
        Err(io::ErrorKind::FileTooLarge.into())
    }
}

/// Carries out a change: `decide` gets the record of that name and says what it is to be; `None`: there is to be none.
/// Other lines, comments among them, stay as they are. Gives whether there was one before.
pub fn change<E: From<io::Error>>(
    path: &Path,
    login: &[u8],
    decide: impl FnOnce(Option<Record>) -> Result<Option<Vec<u8>>, E>,
) -> Result<bool, E> {
    let directory = File::open(path.parent().unwrap_or(Path::new("/")))?;
    let directory =
        Flock::lock(directory, FlockArg::LockExclusive).map_err(|(_, error)| io::Error::from(error))?;
    let old = read(path)?;
    let is_his = |line: &[u8]| matches!(Record::parse(line), Some(Ok(record)) if record.is_for(login));
    let before = find(path, login)?.record;
    let existed = before.is_some();
    let mut new_line = decide(before)?;
    let mut new = Vec::with_capacity(old.len().saturating_add(256));
    for line in old.split(|&b| b == b'\n').filter(|line| !line.is_empty()) {
        if !is_his(line) {
            new.extend_from_slice(line);
            new.push(b'\n');
        } else if let Some(line) = new_line.take() {
            new.extend_from_slice(&line);
            new.push(b'\n');
        }
    }
    if let Some(line) = new_line {
        new.extend_from_slice(&line);
        new.push(b'\n');
    }
    replace(path, &new)?;
    directory.sync_all()?;
    Ok(existed)
}

fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    // What a crash left behind may be readable by others.
    let _ = fs::remove_file(&fresh);
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&fresh)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&fresh, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(path: &Path, login: &str, line: Option<&str>) -> bool {
        change::<io::Error>(path, login.as_bytes(), |_| Ok(line.map(|l| l.into()))).unwrap()
    }

    #[test]
    fn a_user_comes_changes_and_goes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("passwords");
        assert!(find(&path, b"joe").unwrap().record.is_none());
        assert!(!set(&path, "joe", Some("joe:$6$a:v:/j")));
        fs::write(&path, "# ours\nann:$6$n:v:/n\njoe:$6$a:v:/j\nbroken\njoe:double:v:/j").unwrap();
        assert!(set(&path, "JOE", Some("joe:$6$b:v:/j")));
        assert_eq!(fs::read_to_string(&path).unwrap(), "# ours\nann:$6$n:v:/n\njoe:$6$b:v:/j\nbroken\n");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let found = find(&path, b"joe").unwrap();
        assert_eq!(found.record.unwrap().hash, b"$6$b");
        assert_eq!(found.some_hash.unwrap(), b"$6$n");
        assert!(set(&path, "joe", None));
        assert!(!set(&path, "joe", None));
        assert!(find(&path, b"joe").unwrap().record.is_none());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_change_that_is_refused_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("passwords");
        fs::write(&path, "joe:x:v:/j\n").unwrap();
        let refuse = |_| Err(io::Error::from(io::ErrorKind::InvalidInput));
        assert!(change::<io::Error>(&path, b"joe", refuse).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "joe:x:v:/j\n");
    }
}
