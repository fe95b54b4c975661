//! The messages of a Maildir as they were when the session began, oldest first (maildir(5)).
//!
//! Others may use the Maildir meanwhile: a message that another reader has given new flags, or moved from `new` to `cur`,
//! is found again by the part of its name that never changes.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Messages in one session. What is above that is seen when older ones are gone.
pub const MESSAGES_MAX: usize = 1_000_000;

/// Files in `tmp` that nobody has read or written for that long are of deliveries that died (maildir(5): 36 hours).
const OSSIFIED_SECONDS: i64 = 129_600;

/// One message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    is_new: bool,
    name: Box<[u8]>,
    /// Length of the file.
    pub size_bytes: u64,
    /// Seconds and nanoseconds: when the file was written.
    modified: (i64, i64),
}

impl Message {
    /// What its file was called when the session began.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The part of the file's name that never changes. UIDL shows it.
    pub fn unique(&self) -> &[u8] {
        unique(&self.name)
    }
}

/// Up to the first colon.
fn unique(name: &[u8]) -> &[u8] {
    name.split(|&b| b == b':').next().unwrap_or_default()
}

/// A Maildir.
#[derive(Debug)]
pub struct Maildrop {
    root: PathBuf,
    /// Oldest first.
    pub messages: Vec<Message>,
}

impl Maildrop {
    /// True if there is such a directory, and we may enter it.
    pub fn exists(root: &Path) -> bool {
        root.join(".").is_dir()
    }

    /// Looks what is there now. A message that was written in this very second is left for the next session: another one
    /// may follow it that sorts before it.
    pub fn scan(root: &Path) -> io::Result<Self> {
        let now = seconds_now();
        let mut messages = Vec::new();
        for (directory, is_new) in [("new", true), ("cur", false)] {
            for entry in fs::read_dir(root.join(directory))? {
                let entry = entry?;
                let name = entry.file_name();
                if name.as_bytes().starts_with(b".") {
                    continue;
                }
                // Whatever is gone by now is no message; neither is what is no file.
                let Ok(metadata) = fs::metadata(entry.path()) else { continue };
                if metadata.is_file() && metadata.mtime() < now {
                    messages.push(Message::of(&metadata, is_new, name.as_bytes()));
                }
            }
        }
        messages.sort_by(|a, b| (a.modified, a.unique()).cmp(&(b.modified, b.unique())));
        messages.truncate(MESSAGES_MAX);
        Ok(Self { root: root.to_path_buf(), messages })
    }

    fn message(&self, message: usize) -> io::Result<&Message> {
        self.messages.get(message).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn path(&self, message: &Message) -> PathBuf {
        let directory = if message.is_new { "new" } else { "cur" };
        self.root.join(directory).join(std::ffi::OsStr::from_bytes(&message.name))
    }

    /// Opens a message.
    pub fn open(&self, message: usize) -> io::Result<File> {
        let message = self.message(message)?;
        match File::open(self.path(message)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => match self.elsewhere(message)? {
                Some(path) => File::open(path),
                None => Err(error),
            },
            result => result,
        }
    }

    /// Removes a message; false if somebody else has removed it, which is no failure.
    pub fn remove(&self, message: usize) -> io::Result<bool> {
        let message = self.message(message)?;
        let remove = |path| match fs::remove_file(path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        };
        if remove(self.path(message))? {
            return Ok(true);
        }
        self.elsewhere(message)?.map_or(Ok(false), remove)
    }

    /// Moves a message from `new` to `cur`, with no flags. If that fails, it is new the next time, too.
    pub fn keep(&self, message: usize) {
        if let Ok(message) = self.message(message)
            && message.is_new
        {
            let name = [&message.name[..], b":2,"].concat();
            let _ = fs::rename(
                self.path(message),
                self.root.join("cur").join(std::ffi::OsStr::from_bytes(&name)),
            );
        }
    }

    /// Where a message is now that is not where it was.
    fn elsewhere(&self, message: &Message) -> io::Result<Option<PathBuf>> {
        for directory in ["cur", "new"] {
            for entry in fs::read_dir(self.root.join(directory))? {
                let entry = entry?;
                if unique(entry.file_name().as_bytes()) == message.unique() {
                    return Ok(Some(entry.path()));
                }
            }
        }
        Ok(None)
    }
}

impl Message {
    fn of(metadata: &Metadata, is_new: bool, name: &[u8]) -> Self {
        Self {
            is_new,
            name: name.into(),
            size_bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

/// Removes what deliveries that died have left in `tmp`.
pub fn sweep(root: &Path) {
    let oldest = seconds_now().saturating_sub(OSSIFIED_SECONDS);
    for entry in fs::read_dir(root.join("tmp")).into_iter().flatten().filter_map(Result::ok) {
        let is_hidden = entry.file_name().as_bytes().starts_with(b".");
        if !is_hidden && entry.metadata().is_ok_and(|m| m.is_file() && m.atime() < oldest) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn seconds_now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    i64::try_from(now).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn maildir(files: &[(&str, u64)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for directory in ["tmp", "new", "cur"] {
            fs::create_dir(root.path().join(directory)).unwrap();
        }
        for (path, seconds) in files {
            fs::write(root.path().join(path), path).unwrap();
            let time = UNIX_EPOCH + Duration::from_secs(*seconds);
            let file = File::options().write(true).open(root.path().join(path)).unwrap();
            file.set_times(fs::FileTimes::new().set_modified(time).set_accessed(time)).unwrap();
        }
        root
    }

    fn names(drop: &Maildrop) -> Vec<String> {
        drop.messages.iter().map(|m| String::from_utf8(m.unique().to_vec()).unwrap()).collect()
    }

    #[test]
    fn messages_are_in_the_order_of_their_times() {
        let far = 99_999_999_999;
        let root = maildir(&[
            ("cur/9.z:2,", 10),
            ("new/1.a", 20),
            ("cur/5.m:2,F", 30),
            ("new/.hid", 5),
            ("new/f", far),
        ]);
        fs::create_dir(root.path().join("new/directory")).unwrap();
        let drop = Maildrop::scan(root.path()).unwrap();
        assert_eq!(names(&drop), ["9.z", "1.a", "5.m"]);
        assert_eq!(drop.messages[0].size_bytes, 10);
    }

    #[test]
    fn a_message_that_another_reader_touched_is_found_again() {
        let root = maildir(&[("new/1.a", 10), ("cur/2.b:2,", 20), ("new/3.c", 30), ("new/4.d", 40)]);
        let drop = Maildrop::scan(root.path()).unwrap();
        let to = |from: &str, to: &str| fs::rename(root.path().join(from), root.path().join(to)).unwrap();
        to("new/1.a", "cur/1.a:2,S");
        to("cur/2.b:2,", "cur/2.b:2,RS");
        fs::remove_file(root.path().join("new/4.d")).unwrap();
        let mut text = String::new();
        io::Read::read_to_string(&mut drop.open(0).unwrap(), &mut text).unwrap();
        assert_eq!(text, "new/1.a");
        assert!(drop.open(3).is_err());
        assert!(drop.open(4).is_err());
        drop.keep(0);
        assert!(drop.remove(1).unwrap());
        drop.keep(2);
        assert!(!drop.remove(3).unwrap());
        let mut left: Vec<_> =
            fs::read_dir(root.path().join("cur")).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["1.a:2,S", "3.c:2,"]);
    }

    #[test]
    fn only_old_files_are_swept() {
        let now = u64::try_from(seconds_now()).unwrap();
        let root = maildir(&[("tmp/old", now - 129_700), ("tmp/fresh", now - 129_500), ("tmp/.old", 1)]);
        sweep(root.path());
        let mut left: Vec<_> =
            fs::read_dir(root.path().join("tmp")).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".old", "fresh"]);
    }

    #[test]
    fn a_maildir_without_cur_cannot_be_scanned() {
        let root = tempfile::tempdir().unwrap();
        assert!(Maildrop::exists(root.path()));
        assert!(!Maildrop::exists(&root.path().join("x")));
        fs::create_dir(root.path().join("new")).unwrap();
        assert!(Maildrop::scan(root.path()).is_err());
    }
}
