//! A database put in the place of an older one: written beside it, synced, renamed.
//!
//! Whoever looks something up meanwhile reads the old one or the new one, whole. Two writers at once take turns at
//! a lock on the temporary file, which stays behind, empty, after a failure (D53).

use crate::{WriteError, Writer};
use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A database that is being made.
#[derive(Debug)]
pub struct Replacement {
    file: File,
    temporary: PathBuf,
}

impl Replacement {
    /// Opens the temporary file: empty, mode 0644, ours alone, and still under its name.
    pub fn begin(temporary: &Path) -> io::Result<Self> {
        loop {
            let file =
                OpenOptions::new().write(true).create(true).truncate(false).mode(0o644).open(temporary)?;
            file.lock()?;
            // Whoever held the lock before us has moved this very file to its place, if all went well.
            let ours = file.metadata()?;
            match std::fs::symlink_metadata(temporary) {
                Ok(named) if (named.dev(), named.ino()) == (ours.dev(), ours.ino()) => {
                    file.set_permissions(Permissions::from_mode(0o644))?;
                    file.set_len(0)?;
                    return Ok(Self { file, temporary: temporary.to_owned() });
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes the records and syncs them. After a failure the temporary file is empty.
    pub fn write<K: AsRef<[u8]>, D: AsRef<[u8]>>(
        &self,
        records: impl IntoIterator<Item = (K, D)>,
    ) -> Result<(), WriteError> {
        self.write_all(records).inspect_err(|_| {
            // An empty file, as the original leaves it, rather than half a database. The first error is the one to
            // tell.
            let _ = self.file.set_len(0);
        })
    }

    fn write_all<K: AsRef<[u8]>, D: AsRef<[u8]>>(
        &self,
        records: impl IntoIterator<Item = (K, D)>,
    ) -> Result<(), WriteError> {
        let mut writer = Writer::new(&self.file)?;
        for (key, data) in records {
            writer.add(key.as_ref(), data.as_ref())?;
        }
        writer.finish()?.sync_all()?;
        Ok(())
    }

    /// Puts it into its place, in the same directory, and syncs that.
    pub fn put_at(self, path: &Path) -> io::Result<()> {
        std::fs::rename(&self.temporary, path)?;
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cdb;

    #[test]
    fn several_at_once_take_turns_and_nothing_is_left_over() {
        let directory = tempfile::tempdir().unwrap();
        let (temporary, place) = (directory.path().join("t"), directory.path().join("d"));
        std::fs::write(&temporary, "left over").unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10 {
                        let new = Replacement::begin(&temporary).unwrap();
                        new.write([("key", "data")]).unwrap();
                        new.put_at(&place).unwrap();
                    }
                });
            }
        });
        assert!(!temporary.exists());
        assert_eq!(Cdb::open(&place).unwrap().find(b"key").unwrap().unwrap(), b"data");
        assert_eq!(place.metadata().unwrap().permissions().mode() & 0o7777, 0o644);
    }
}
