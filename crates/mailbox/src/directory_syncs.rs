//! Deliveries into the same Maildir at the same time share the syncs of its `new`.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};

use nix::sys::stat::fstat;
use nix::unistd::fsync;
use os::shared_sync::SharedSync;

/// Directories that nobody syncs any more are forgotten when there are more than this.
const KEPT_MAX: usize = 64;

/// Device and inode.
type Identity = (u64, u64);

/// The directories that the deliveries of a process sync.
#[derive(Default, Debug)]
pub struct DirectorySyncs {
    known: Mutex<BTreeMap<Identity, Arc<SharedSync>>>,
}

impl DirectorySyncs {
    /// Returns when the names that are now in the directory are on stable storage. Whatever way it was opened: the
    /// same directory is the same.
    pub fn sync(&self, directory: impl AsFd) -> io::Result<()> {
        let stat = fstat(&directory)?;
        let shared = self.of((stat.st_dev, stat.st_ino));
        shared.sync(|| Ok(fsync(&directory)?))
    }

    fn of(&self, identity: Identity) -> Arc<SharedSync> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() > KEPT_MAX {
            known.retain(|_, shared| Arc::strong_count(shared) > 1);
        }
        Arc::clone(known.entry(identity).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn idle_directories_are_forgotten_and_busy_ones_are_not() {
        let top = tempfile::tempdir().unwrap();
        let syncs = DirectorySyncs::default();
        let busy = syncs.of((0, 0));
        for number in 0..KEPT_MAX * 3 {
            let path = top.path().join(number.to_string());
            std::fs::create_dir(&path).unwrap();
            syncs.sync(File::open(path).unwrap()).unwrap();
        }
        assert!(syncs.known.lock().unwrap().len() <= KEPT_MAX + 1);
        assert!(Arc::ptr_eq(&busy, &syncs.of((0, 0))));
    }
}
