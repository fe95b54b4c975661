//! Home directories that stay open between deliveries, and the files that are known not to be there.
//!
//! Most deliveries look for two or three `.qmail` files of which none exists. For each delivery we look once where the
//! home's path leads: device and inode say whether it is the directory that we have open, mode and times come along.
//! A name that was missing is missing still as long as the directory has not changed since, which its times tell:
//!
//! - the kernel sets them whenever a name appears in it, and nobody can set the second (ctime) back;
//! - they tick slower than directories change, so nothing is remembered of a directory that changed within the last
//!   [`SETTLED_SECONDS`];
//! - a missing name is one that not even a symbolic link has, and that lies in the directory itself;
//! - file systems whose times may come from another machine or from several layers are asked every time.
//!
//! What a file that does exist says is never remembered: it is opened and read for each delivery.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, open};
use nix::sys::stat::{FileStat, Mode, fstat, fstatat};
use nix::sys::statfs::{
    BTRFS_SUPER_MAGIC, EXT4_SUPER_MAGIC, F2FS_SUPER_MAGIC, TMPFS_MAGIC, XFS_SUPER_MAGIC, fstatfs,
};

use crate::failure::Failure;

/// A directory that has been changed as lately as this may be changed again without its times telling.
const SETTLED_SECONDS: i64 = 2;

/// Names remembered of one directory. Senders choose extensions, so there is no end of them.
const MISSING_MAX: usize = 64;

/// The homes that a process keeps open: the last one. A worker has one.
#[derive(Debug, Default)]
pub struct KeptHomes {
    last: Mutex<Option<Arc<KeptHome>>>,
}

/// A home directory that is open.
#[derive(Debug)]
pub struct KeptHome {
    path: Vec<u8>,
    identity: (u64, u64),
    directory: OwnedFd,
    tells_changes: bool,
    missing: Mutex<Missing>,
}

/// What the directory looked like when a delivery entered it.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Type and permissions.
    pub mode: u32,
    times: Times,
    has_settled: bool,
}

/// Modification and status change, in seconds and nanoseconds.
type Times = [(i64, i64); 2];

/// The names that were missing when the directory had these times.
#[derive(Debug, Default)]
struct Missing {
    at: Option<Times>,
    names: BTreeSet<Vec<u8>>,
}

impl KeptHomes {
    /// The directory at `path`, and what it looks like now.
    pub fn enter(&self, path: &[u8]) -> Result<(Arc<KeptHome>, Moment), Failure> {
        // A name after the directory makes the kernel ask for search permission.
        let inside = [path, b"/."].concat();
        // The clock before the look: what happens after this is later than this.
        let now = seconds();
        let found = fstatat(AT_FDCWD, inside.as_slice(), AtFlags::empty());
        let known = self.lock().clone().filter(|known| known.path == path);
        if let (Some(known), Ok(stat)) = (known, found)
            && known.identity == identity(&stat)
        {
            return Ok((known, Moment::of(&stat, now)));
        }
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let directory = open(inside.as_slice(), flags, Mode::empty())
            .map_err(|error| Failure::EnterHome { home: path.to_vec(), source: error.into() })?;
        let stat = fstat(&directory).map_err(|error| Failure::StatHome(error.into()))?;
        let entered = Arc::new(KeptHome {
            path: path.to_vec(),
            identity: identity(&stat),
            tells_changes: tells_changes(&directory),
            directory,
            missing: Mutex::default(),
        });
        *self.lock() = Some(Arc::clone(&entered));
        Ok((entered, Moment::of(&stat, now)))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<KeptHome>>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeptHome {
    /// The directory, for paths relative to it.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// Whether the name is known to be missing at that moment.
    pub fn lacks(&self, name: &[u8], moment: &Moment) -> bool {
        let missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        missing.at == Some(moment.times) && missing.names.contains(name)
    }

    /// Remembers that the name could not be opened after that moment, where that is worth anything.
    pub fn missed(&self, name: Vec<u8>, moment: &Moment) {
        if !self.tells_changes || !moment.has_settled || name.contains(&b'/') {
            return;
        }
        // A symbolic link that leads nowhere can come to lead somewhere without any change here.
        let itself = fstatat(self.as_fd(), name.as_slice(), AtFlags::AT_SYMLINK_NOFOLLOW);
        if itself.err() != Some(nix::Error::ENOENT) {
            return;
        }
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        if missing.at != Some(moment.times) || missing.names.len() >= MISSING_MAX {
            *missing = Missing { at: Some(moment.times), names: BTreeSet::new() };
        }
        missing.names.insert(name);
    }
}

impl Moment {
    fn of(stat: &FileStat, now: i64) -> Self {
        let times = [(stat.st_mtime, stat.st_mtime_nsec), (stat.st_ctime, stat.st_ctime_nsec)];
        let changed = stat.st_mtime.max(stat.st_ctime);
        Self { mode: stat.st_mode, times, has_settled: changed.saturating_add(SETTLED_SECONDS) < now }
    }
}

#[cfg(test)]
impl Moment {
    /// The same, had the directory been left alone for long before.
    pub(crate) fn long_after(self) -> Self {
        Self { has_settled: true, ..self }
    }
}

fn identity(stat: &FileStat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

fn tells_changes(directory: &OwnedFd) -> bool {
    let ours = [BTRFS_SUPER_MAGIC, EXT4_SUPER_MAGIC, F2FS_SUPER_MAGIC, TMPFS_MAGIC, XFS_SUPER_MAGIC];
    fstatfs(directory).is_ok_and(|found| ours.contains(&found.filesystem_type()))
}

fn seconds() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(0)
}

#[cfg(test)]
/// Until the file system's clock shows a later time than that of the directory.
pub(crate) fn wait_for_a_tick(clock: &std::path::Path, directory: &std::path::Path) {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::write(clock, "").unwrap();
    let changed = |path| std::fs::metadata(path).map(|m| (m.ctime(), m.ctime_nsec())).unwrap();
    while changed(clock) <= changed(directory) {
        std::fs::write(clock, "x").unwrap();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::ffi::OsStrExt as _;
    use std::path::Path;

    fn enter(homes: &KeptHomes, path: &Path) -> (Arc<KeptHome>, Moment) {
        let (home, moment) = homes.enter(path.as_os_str().as_bytes()).unwrap();
        // As if the directory had been left alone for seconds, on a disk of ours.
        (home, moment.long_after())
    }

    fn misses(homes: &KeptHomes, path: &Path, name: &str) {
        let (home, moment) = enter(homes, path);
        home.missed(name.into(), &moment);
    }

    fn lacks(homes: &KeptHomes, path: &Path, name: &str) -> bool {
        let (home, moment) = enter(homes, path);
        home.lacks(name.as_bytes(), &moment)
    }

    #[test]
    fn a_missing_name_is_remembered_until_the_directory_changes() {
        let top = tempfile::tempdir().unwrap();
        let (homes, path, clock) = (KeptHomes::default(), &top.path().join("joe"), top.path().join("clock"));
        fs::create_dir(path).unwrap();
        fs::write(&clock, "").unwrap();
        if !enter(&homes, path).0.tells_changes {
            return;
        }
        let changes: [&dyn Fn(); 5] = [
            &|| fs::write(path.join(".qmail"), "./Mailbox").unwrap(),
            &|| fs::remove_file(path.join(".qmail")).unwrap(),
            &|| std::os::unix::fs::symlink("x", path.join(".qmail-b")).unwrap(),
            &|| fs::rename(path.join(".qmail-b"), path.join(".qmail-c")).unwrap(),
            &|| fs::hard_link(&clock, path.join(".qmail-d")).unwrap(),
        ];
        for change in changes {
            misses(&homes, path, ".qmail-x");
            assert!(lacks(&homes, path, ".qmail-x"));
            assert!(!lacks(&homes, path, ".qmail-y"));
            wait_for_a_tick(&clock, path);
            change();
            assert!(!lacks(&homes, path, ".qmail-x"));
        }
    }

    #[test]
    fn what_may_change_unseen_is_not_remembered() {
        let top = tempfile::tempdir().unwrap();
        let (homes, path) = (KeptHomes::default(), top.path());
        // Changed just now.
        let (home, moment) = homes.enter(path.as_os_str().as_bytes()).unwrap();
        assert!(!moment.has_settled);
        home.missed(b".qmail".to_vec(), &moment);
        assert!(!home.lacks(b".qmail", &moment));
        // Behind a symbolic link, in another directory, and there after all.
        std::os::unix::fs::symlink("nowhere", path.join(".qmail-link")).unwrap();
        fs::create_dir(path.join(".qmail-")).unwrap();
        for name in [".qmail-link", ".qmail-/x", ".qmail-"] {
            misses(&homes, path, name);
            assert!(!lacks(&homes, path, name), "{name}");
        }
        // On a file system that may not tell.
        let home = KeptHome {
            path: Vec::new(),
            identity: (0, 0),
            directory: fs::File::open(path).unwrap().into(),
            tells_changes: false,
            missing: Mutex::default(),
        };
        let moment = enter(&homes, path).1;
        home.missed(b".qmail".to_vec(), &moment);
        assert!(!home.lacks(b".qmail", &moment));
    }

    #[test]
    fn another_directory_under_the_same_path_is_another_home() {
        let top = tempfile::tempdir().unwrap();
        let (path, away) = (top.path().join("joe"), top.path().join("away"));
        fs::create_dir(&path).unwrap();
        let homes = KeptHomes::default();
        misses(&homes, &path, ".qmail");
        let (first, _) = enter(&homes, &path);
        assert!(Arc::ptr_eq(&first, &enter(&homes, &path).0));

        fs::rename(&path, &away).unwrap();
        assert!(homes.enter(path.as_os_str().as_bytes()).is_err());
        fs::create_dir(&path).unwrap();
        assert!(!Arc::ptr_eq(&first, &enter(&homes, &path).0));
        assert!(!lacks(&homes, &path, ".qmail"));
        assert!(Arc::ptr_eq(&enter(&homes, &away).0, &enter(&homes, &away).0));
    }

    #[test]
    fn names_that_strangers_choose_have_a_limit() {
        let top = tempfile::tempdir().unwrap();
        let homes = KeptHomes::default();
        let (home, moment) = enter(&homes, top.path());
        for number in 0..MISSING_MAX * 3 {
            home.missed(format!(".qmail-{number}").into(), &moment);
            assert!(home.missing.lock().unwrap().names.len() <= MISSING_MAX);
        }
    }
}
