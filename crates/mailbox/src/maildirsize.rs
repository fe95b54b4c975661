//! The file `maildirsize`: looked at before a message comes, written to when it has come or one has gone.
//!
//! Nobody locks anything. A line is appended by one write. Where the sum cannot be believed, and now and then in any case,
//! the messages are counted and a new file is renamed over the old; one who had the old one open appends to it in vain,
//! and his message was counted. So a quota can be exceeded by what is under way at the same time, and is right again
//! at the next count. Those are the rules of Maildir++, and other programs keep them in the same file.

use std::fs::{File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{Mode, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use crate::contents::{self, TRASH};
use crate::name;
use crate::quota::{LEDGER_MAX_BYTES, Ledger, Usage};

const NAME: &[u8] = b"maildirsize";

/// Made in each folder by those who make folders: the quota is the parent's.
const FOLDER_MARK: &[u8] = b"maildirfolder";

/// A sum that leaves no room is believed so long, if nothing was added to it.
const FULL_IS_BELIEVED: Duration = Duration::from_secs(15 * 60);

/// Others may deliver while we count. So often it is tried to see a Maildir that holds still.
const COUNTS_MAX: usize = 3;

/// One at a time in this process, so that deliveries that come together do not all count, each into a file of its own.
static COUNTING: Mutex<()> = Mutex::new(());

/// The account of a Maildir that has a quota.
#[derive(Debug)]
pub struct Account {
    root: OwnedFd,
    /// Where lines go; `None` if nobody would read them.
    file: Option<File>,
    ledger: Ledger,
    age: Duration,
    mode: u32,
}

impl Account {
    /// Opens it. `path` is relative to `home` and ends in a slash. `None`: there is no quota.
    pub fn open(home: BorrowedFd<'_>, path: &[u8]) -> io::Result<Option<Self>> {
        match root(home, path) {
            Some(path) => Self::of(home, &path),
            None => Ok(None),
        }
    }

    fn of(home: BorrowedFd<'_>, path: &[u8]) -> io::Result<Option<Self>> {
        let open = |access: OFlag| {
            let flags = access | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
            openat(home, [path, NAME].concat().as_slice(), flags, Mode::empty())
        };
        let (file, is_writable) = match open(OFlag::O_RDWR | OFlag::O_APPEND) {
            Ok(file) => (File::from(file), true),
            // A directory of that name is nothing to us.
            Err(nix::Error::ENOENT | nix::Error::ENOTDIR | nix::Error::EISDIR) => return Ok(None),
            Err(nix::Error::EACCES | nix::Error::EPERM | nix::Error::EROFS) => {
                (File::from(open(OFlag::O_RDONLY)?), false)
            }
            Err(error) => return Err(error.into()),
        };
        let about = file.metadata()?;
        if !about.is_file() {
            return Ok(None);
        }
        let mut text = Vec::new();
        (&file).take(LEDGER_MAX_BYTES as u64).read_to_end(&mut text)?;
        let Some(mut ledger) = Ledger::decode(&text) else { return Ok(None) };
        if !is_writable {
            // Nobody of our kind has written down what came.
            ledger.usage = None;
        }
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        Ok(Some(Self {
            root: openat(home, [path, b"."].concat().as_slice(), flags, Mode::empty())?,
            file: (is_writable && text.len() < LEDGER_MAX_BYTES).then_some(file),
            ledger,
            age: about
                .modified()
                .ok()
                .and_then(|time| SystemTime::now().duration_since(time).ok())
                .unwrap_or_default(),
            mode: about.mode() & 0o777,
        }))
    }

    /// Whether there is room for a message of that many bytes. If the sum says no, or says nothing, the messages are counted.
    pub fn admits(&mut self, bytes: u64) -> io::Result<bool> {
        let more = Usage::message(bytes);
        if let Some(answer) = self.believed(more) {
            return Ok(answer);
        }
        let _alone = COUNTING.lock().unwrap_or_else(PoisonError::into_inner);
        // Perhaps the one whom we have waited for has counted.
        match Self::of(self.root.as_fd(), b"")? {
            Some(now) => *self = now,
            None => return Ok(true),
        }
        if let Some(answer) = self.believed(more) {
            return Ok(answer);
        }
        let there = self.count()?;
        Ok(self.ledger.quota.admits(there, more))
    }

    /// What the file says about it; `None` if that is not to be believed.
    fn believed(&self, more: Usage) -> Option<bool> {
        let Ledger { quota, lines, usage, .. } = self.ledger;
        if !quota.is_limited() {
            return Some(true);
        }
        let is_admitted = quota.admits(usage?, more);
        (is_admitted || (lines == 1 && self.age < FULL_IS_BELIEVED)).then_some(is_admitted)
    }

    /// Notes what has come or gone. This is after the fact: if it fails, the next count will tell.
    pub fn note(&self, change: Usage) {
        if let Some(mut file) = self.file.as_ref() {
            let _ = file.write_all(&change.line());
        }
    }

    /// Counts the messages, and writes the file anew.
    fn count(&mut self) -> io::Result<Usage> {
        let mut counted = contents::count(&self.root)?;
        for round in 1..=COUNTS_MAX {
            // Without it the count is as right, and is made again the next time.
            if self.replace(counted.usage).is_err() {
                break;
            }
            if round == COUNTS_MAX || contents::last_change(&self.root)? <= counted.changed {
                break;
            }
            counted = contents::count(&self.root)?;
        }
        Ok(counted.usage)
    }

    fn replace(&mut self, usage: Usage) -> io::Result<()> {
        let temporary = [b"tmp/", name::fresh().as_slice()].concat();
        let flags = OFlag::O_RDWR | OFlag::O_APPEND | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
        let file = openat(&self.root, temporary.as_slice(), flags, Mode::S_IRUSR | Mode::S_IWUSR)?;
        let file = self.fill(File::from(file), usage).and_then(|file| {
            renameat(&self.root, temporary.as_slice(), &self.root, NAME)?;
            Ok(file)
        });
        if file.is_err() {
            let _ = unlinkat(&self.root, temporary.as_slice(), UnlinkatFlags::NoRemoveDir);
        }
        self.file = Some(file?);
        Ok(())
    }

    /// The definition stands nowhere else: it is on the disk before it takes the old one's place.
    fn fill(&self, mut file: File, usage: Usage) -> io::Result<File> {
        file.write_all(&[self.ledger.definition.as_slice(), b"\n", &usage.line()].concat())?;
        file.set_permissions(Permissions::from_mode(self.mode))?;
        file.sync_all()?;
        Ok(file)
    }
}

/// Notes that messages have gone from the Maildir at `path`, if that has a quota.
pub fn note_removed(path: &std::path::Path, gone: Usage) {
    let path = [path.as_os_str().as_encoded_bytes(), b"/"].concat();
    if gone != Usage::default()
        && let Ok(Some(account)) = Account::open(AT_FDCWD, &path)
    {
        account.note(gone.negative());
    }
}

/// Where the file is that speaks for the Maildir at `path`: a folder's quota is that of the Maildir it is in. `None`: what is
/// in there does not count.
fn root(home: BorrowedFd<'_>, path: &[u8]) -> Option<Vec<u8>> {
    let last = path.strip_suffix(b"/").unwrap_or(path).rsplit(|&byte| byte == b'/').next()?;
    let may_be_folder = last.len() > 1 && last.starts_with(b".") && last != b"..";
    let mark = [path, FOLDER_MARK].concat();
    if !may_be_folder || fstatat(home.as_fd(), mark.as_slice(), AtFlags::empty()).is_err() {
        return Some(path.to_vec());
    }
    (last != TRASH).then(|| [path, b"../"].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    fn maildir(definition: &str) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        for part in ["tmp", "new", "cur", ".Work/tmp", ".Work/new", ".Work/cur", ".Trash/new"] {
            fs::create_dir_all(home.path().join("M").join(part)).unwrap();
        }
        for folder in ["M/.Work", "M/.Trash"] {
            fs::write(home.path().join(folder).join("maildirfolder"), "").unwrap();
        }
        fs::write(home.path().join("M/maildirsize"), definition).unwrap();
        home
    }

    fn open(home: &Path, path: &str) -> Option<Account> {
        Account::open(File::open(home).unwrap().as_fd(), path.as_bytes()).unwrap()
    }

    fn text(home: &Path) -> String {
        fs::read_to_string(home.join("M/maildirsize")).unwrap()
    }

    #[test]
    fn a_fresh_definition_is_completed_by_a_count() {
        let home = maildir("1000S\n");
        fs::write(home.path().join("M/cur/a"), [b'x'; 600]).unwrap();
        let mut account = open(home.path(), "./M/").unwrap();
        assert!(account.admits(400).unwrap());
        assert!(!account.admits(401).unwrap());
        account.note(Usage::message(400));
        assert_eq!(text(home.path()), "1000S\n600 1\n400 1\n");
        assert!(fs::read_dir(home.path().join("M/tmp")).unwrap().next().is_none());
    }

    #[test]
    fn a_sum_that_leaves_no_room_is_checked() {
        // Two lines: somebody may have removed what they count.
        let home = maildir("1000S\n600 1\n400 1\n");
        assert!(open(home.path(), "M/").unwrap().admits(1).unwrap());
        assert_eq!(text(home.path()), "1000S\n0 0\n");
        // One line, and young.
        fs::write(home.path().join("M/maildirsize"), "1000S\n1000 1\n").unwrap();
        assert!(!open(home.path(), "M/").unwrap().admits(1).unwrap());
        assert_eq!(text(home.path()), "1000S\n1000 1\n");
        // Old.
        let old = SystemTime::now() - FULL_IS_BELIEVED;
        File::options()
            .write(true)
            .open(home.path().join("M/maildirsize"))
            .unwrap()
            .set_modified(old)
            .unwrap();
        assert!(open(home.path(), "M/").unwrap().admits(1).unwrap());
        assert_eq!(text(home.path()), "1000S\n0 0\n");
    }

    #[test]
    fn a_long_or_damaged_file_is_replaced_and_keeps_definition_and_mode() {
        let long = format!("9S,x,3C\n{}", "1 1\n".repeat(2000));
        for damaged in [long.as_str(), "9S,x,3C\nwhat", "9S,x,3C\n-1 -1\n"] {
            let home = maildir(damaged);
            let file = home.path().join("M/maildirsize");
            fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
            assert!(open(home.path(), "M/").unwrap().admits(9).unwrap());
            assert_eq!(text(home.path()), "9S,x,3C\n0 0\n");
            assert_eq!(file.metadata().unwrap().mode() & 0o7777, 0o640);
        }
    }

    #[test]
    fn without_limits_it_is_only_written_to() {
        let home = maildir("NOQUOTA\n5 1\n");
        let mut account = open(home.path(), "M/").unwrap();
        assert!(account.admits(u64::MAX).unwrap());
        account.note(Usage::message(7));
        note_removed(&home.path().join("M"), Usage { bytes: 5, messages: 1 });
        assert_eq!(text(home.path()), "NOQUOTA\n5 1\n7 1\n-5 -1\n");
    }

    #[test]
    fn a_folder_has_the_quota_of_its_maildir_and_the_trash_none() {
        let home = maildir("100S\n");
        fs::write(home.path().join("M/.Work/cur/a"), [b'x'; 60]).unwrap();
        assert!(!open(home.path(), "./M/.Work/").unwrap().admits(41).unwrap());
        assert!(open(home.path(), "./M/.Trash/").is_none());
        // A Maildir that only looks like a folder speaks for itself.
        fs::remove_file(home.path().join("M/.Work/maildirfolder")).unwrap();
        assert!(open(home.path(), "./M/.Work/").is_none());
    }

    #[test]
    fn what_is_no_file_is_no_quota() {
        let home = maildir("");
        let file = home.path().join("M/maildirsize");
        assert!(open(home.path(), "M/").is_none());
        fs::remove_file(&file).unwrap();
        assert!(open(home.path(), "M/").is_none());
        nix::unistd::mkfifo(&file, Mode::S_IRWXU).unwrap();
        assert!(open(home.path(), "M/").is_none());
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        assert!(open(home.path(), "M/").is_none());
        assert!(open(home.path(), "nowhere/").is_none());
    }

    #[test]
    fn lines_of_many_writers_are_all_there() {
        let home = maildir("NOQUOTA\n0 0\n");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope
                    .spawn(|| (0..20).for_each(|_| open(home.path(), "M/").unwrap().note(Usage::message(3))));
            }
        });
        let ledger = Ledger::decode(text(home.path()).as_bytes()).unwrap();
        assert_eq!(ledger.usage, Some(Usage { bytes: 480, messages: 160 }));
    }
}
