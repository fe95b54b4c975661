//! Directories that stay open from one delivery to the next, and whose syncs are shared by deliveries at the same time.
//!
//! A directory is known by device and inode, never by its name: whoever asks has just looked where the name leads. As
//! long as we hold it open no other directory can get its inode, so a kept one is never mistaken for its successor.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::stat::{FileStat, fstat};
use nix::unistd::fsync;
use os::shared_sync::SharedSync;

/// Directories that nobody uses now are closed when there are more than this: each is an open file of the process.
const KEPT_MAX: usize = 16;

/// Device and inode.
type Identity = (u64, u64);

/// The directories that the deliveries of a process keep open.
#[derive(Default, Debug)]
pub struct Directories {
    known: Mutex<BTreeMap<Identity, Arc<Directory>>>,
}

/// One of them.
#[derive(Debug)]
pub struct Directory {
    descriptor: OwnedFd,
    syncs: SharedSync,
}

impl Directories {
    /// The directory that `stat` is of, if it is kept.
    pub fn kept(&self, stat: &FileStat) -> Option<Arc<Directory>> {
        self.lock().get(&(stat.st_dev, stat.st_ino)).cloned()
    }

    /// Keeps a directory. Whatever way it was opened: the same directory is the same.
    pub fn keep(&self, descriptor: OwnedFd) -> io::Result<Arc<Directory>> {
        let stat = fstat(&descriptor)?;
        let mut known = self.lock();
        if known.len() > KEPT_MAX {
            known.retain(|_, directory| Arc::strong_count(directory) > 1);
        }
        let new = || Arc::new(Directory { descriptor, syncs: SharedSync::default() });
        Ok(Arc::clone(known.entry((stat.st_dev, stat.st_ino)).or_insert_with(new)))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Identity, Arc<Directory>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Directory {
    /// Returns when the names that are now in the directory are on stable storage.
    pub fn sync(&self) -> io::Result<()> {
        self.syncs.sync(|| Ok(fsync(&self.descriptor)?))
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn idle_directories_are_closed_and_busy_ones_are_not() {
        let top = tempfile::tempdir().unwrap();
        let directories = Directories::default();
        let busy = directories.keep(File::open(top.path()).unwrap().into()).unwrap();
        for number in 0..KEPT_MAX * 3 {
            let path = top.path().join(number.to_string());
            std::fs::create_dir(&path).unwrap();
            directories.keep(File::open(path).unwrap().into()).unwrap().sync().unwrap();
        }
        assert!(directories.lock().len() <= KEPT_MAX + 1);
        let stat = fstat(&*busy).unwrap();
        assert!(Arc::ptr_eq(&busy, &directories.kept(&stat).unwrap()));
    }

    #[test]
    fn a_directory_under_the_name_of_another_is_not_the_kept_one() {
        let top = tempfile::tempdir().unwrap();
        let (path, away) = (top.path().join("new"), top.path().join("old"));
        std::fs::create_dir(&path).unwrap();
        let directories = Directories::default();
        let first = directories.keep(File::open(&path).unwrap().into()).unwrap();
        let look = || directories.kept(&nix::sys::stat::stat(&path).unwrap());
        assert!(Arc::ptr_eq(&first, &look().unwrap()));

        std::fs::rename(&path, away).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(look().is_none());
        // Removed and made again: its inode is still ours.
        let second = directories.keep(File::open(&path).unwrap().into()).unwrap();
        std::fs::remove_dir(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(look().is_none_or(|third| !Arc::ptr_eq(&second, &third)));
    }
}
