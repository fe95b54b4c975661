//! A machine to oneself, as far as others ask for the same locks before they work.

use anyhow::{Context, Result};
use std::fs::File;
use std::path::PathBuf;

/// Takes a lock on each file in turn, however long that takes. They end with what is returned.
pub fn take(files: &[PathBuf]) -> Result<Vec<File>> {
    let lock = |path: &PathBuf| {
        let file = File::options().create(true).append(true).open(path)?;
        file.lock()?;
        Ok(file)
    };
    let all: std::io::Result<Vec<File>> = files.iter().map(lock).collect();
    all.with_context(|| format!("cannot lock {files:?}"))
}

#[cfg(test)]
mod tests {
    use super::take;
    use std::fs::{File, TryLockError};

    #[test]
    fn a_lock_is_held_until_it_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let held = take(std::slice::from_ref(&path)).unwrap();
        let other = File::options().append(true).open(&path).unwrap();
        assert!(matches!(other.try_lock(), Err(TryLockError::WouldBlock)));
        drop(held);
        other.try_lock().unwrap();
    }
}
