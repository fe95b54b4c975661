//! Where things are in `queue/`: names of directories and files, and the split found on disk (contract 4.1).
//!
//! Every name here is relative to the queue directory. Nothing is opened here but to detect the shape.
//!
//! The big-todo patch hashes `todo` and `intd` like `mess` (contract 16.6); `todo/0` is then a directory. In such a queue
//! envelopes are made hashed, and looked for flat, too: there may be old ones, from before the patch.

use crate::disk::Disk;
use contracts::{Channel, QueueId};
use std::io;

/// More split directories than any installation has; a larger number is a broken tree.
pub const SPLIT_MAX: u64 = 100_000;

/// The shape of one queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    split: u64,
    is_big_todo: bool,
}

impl Layout {
    /// A queue with `mess/0` to `mess/(split-1)`.
    pub fn with_split(split: u64) -> Self {
        Self { split: split.max(1), is_big_todo: false }
    }

    /// The same with `todo` and `intd` hashed.
    #[must_use]
    pub fn with_big_todo(self) -> Self {
        Self { is_big_todo: true, ..self }
    }

    /// Counts the directories `mess/0`, `mess/1`, ..., and looks whether there are such directories in `todo`. A gap is
    /// an error: with a wrong split every message would be looked for in the wrong place.
    pub fn detect(disk: &impl Disk) -> io::Result<Self> {
        let layout = Self::with_split(split(disk)?);
        if !is_directory(disk, "todo/0")? {
            return Ok(layout);
        }
        let big = layout.with_big_todo();
        for directory in big.todo_directories() {
            if !is_directory(disk, &directory)? {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("queue/todo/0 is a directory, and queue/{directory} is none"),
                ));
            }
        }
        Ok(big)
    }

    /// The number of directories under each of `mess`, `info`, `local`, `remote`.
    pub fn split(self) -> u64 {
        self.split
    }

    /// Whether `todo` and `intd` are hashed.
    pub fn is_big_todo(self) -> bool {
        self.is_big_todo
    }

    /// The directories of hashed envelopes; none in a flat queue.
    pub fn todo_directories(self) -> impl Iterator<Item = String> {
        let count = if self.is_big_todo { self.split } else { 0 };
        (0..count).map(|n| format!("todo/{n}"))
    }

    /// The lowest number that a flat envelope can have: smaller ones are names of directories.
    pub(crate) fn least_flat(self) -> QueueId {
        QueueId(if self.is_big_todo { self.split } else { 0 })
    }

    fn hashed(self, directory: &str, id: QueueId) -> String {
        format!("{directory}/{}/{id}", id.directory(self.split))
    }

    /// `ID%split/ID`, the name that spawners are told.
    pub fn name(self, id: QueueId) -> String {
        format!("{}/{id}", id.directory(self.split))
    }

    /// `mess/H/ID`: the message.
    pub fn message(self, id: QueueId) -> String {
        self.hashed("mess", id)
    }

    /// `mess/H`, to be synced after a link in it.
    pub fn message_directory(self, id: QueueId) -> String {
        format!("mess/{}", id.directory(self.split))
    }

    /// `todo/ID` or `todo/H/ID`: the envelope of a message that is being queued.
    pub fn envelope(self, id: QueueId) -> String {
        self.in_todo("todo", id)
    }

    /// Wherever the envelope of a queued message may be.
    pub fn envelopes(self, id: QueueId) -> impl Iterator<Item = String> {
        self.all_in_todo("todo", id)
    }

    /// `todo` or `todo/H`, to be synced after a link in it.
    pub fn envelope_directory(self, id: QueueId) -> String {
        if self.is_big_todo { self.directory_of("todo", id) } else { "todo".to_owned() }
    }

    /// `intd/ID` or `intd/H/ID`: the envelope under construction.
    pub fn under_construction(self, id: QueueId) -> String {
        self.in_todo("intd", id)
    }

    /// Wherever an envelope under construction may be.
    pub fn all_under_construction(self, id: QueueId) -> impl Iterator<Item = String> {
        self.all_in_todo("intd", id)
    }

    fn in_todo(self, directory: &str, id: QueueId) -> String {
        if self.is_big_todo { self.hashed(directory, id) } else { format!("{directory}/{id}") }
    }

    fn all_in_todo(self, directory: &str, id: QueueId) -> impl Iterator<Item = String> {
        let may_be_flat = self.is_big_todo && id >= self.least_flat();
        let flat = may_be_flat.then(|| format!("{directory}/{id}"));
        std::iter::once(self.in_todo(directory, id)).chain(flat)
    }

    /// `info/H/ID`: the sender; its modification time is the arrival time.
    pub fn info(self, id: QueueId) -> String {
        self.hashed("info", id)
    }

    /// `info/H`, `local/H` or `remote/H` of a message.
    pub fn directory_of(self, directory: &str, id: QueueId) -> String {
        format!("{directory}/{}", id.directory(self.split))
    }

    /// `local/H/ID` or `remote/H/ID`: the recipients on one channel.
    pub fn channel(self, channel: Channel, id: QueueId) -> String {
        self.hashed(channel.name(), id)
    }

    /// `bounce/ID`: failures told so far.
    pub fn bounce(self, id: QueueId) -> String {
        format!("bounce/{id}")
    }
}

/// The number of consecutive directories in `mess`.
fn split(disk: &impl Disk) -> io::Result<u64> {
    let (mut count, mut highest) = (0u64, None);
    for name in disk.names("mess")? {
        let Some(QueueId(number)) = QueueId::parse(&name?) else { continue };
        if disk.stat(&format!("mess/{number}")).is_ok_and(|stat| stat.is_file) {
            continue; // Somebody's stray file must not change where every message is looked for.
        }
        count = count.saturating_add(1);
        highest = highest.max(Some(number));
    }
    match highest {
        Some(highest) if highest < SPLIT_MAX && highest.checked_add(1) == Some(count) => Ok(count),
        _ => {
            Err(io::Error::new(io::ErrorKind::InvalidData, "queue/mess has no directories or a gap in them"))
        }
    }
}

fn is_directory(disk: &impl Disk, name: &str) -> io::Result<bool> {
    match disk.names(name) {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::real::RealDisk;

    fn tree(names: &[&str]) -> (tempfile::TempDir, io::Result<Layout>) {
        let home = tempfile::tempdir().unwrap();
        for name in names {
            std::fs::create_dir_all(home.path().join("mess").join(name)).unwrap();
        }
        let layout = Layout::detect(&RealDisk::at(home.path()));
        (home, layout)
    }

    #[test]
    fn the_split_is_the_number_of_consecutive_directories() {
        assert_eq!(tree(&["0", "1", "2"]).1.unwrap().split(), 3);
        assert_eq!(tree(&["0", "lost+found"]).1.unwrap().split(), 1);
        let (home, _) = tree(&["0", "1"]);
        std::fs::write(home.path().join("mess/2"), "stray").unwrap();
        assert_eq!(Layout::detect(&RealDisk::at(home.path())).unwrap().split(), 2);
        assert!(tree(&["0", "2"]).1.is_err(), "a gap");
        assert!(tree(&["1"]).1.is_err(), "no 0");
        assert!(tree(&["x"]).1.is_err(), "none at all");
        assert!(tree(&[]).1.is_err(), "no mess");
    }

    #[test]
    fn a_directory_in_todo_says_that_envelopes_are_hashed() {
        let (home, layout) = tree(&["0", "1"]);
        assert!(!layout.unwrap().is_big_todo());
        let detect = || Layout::detect(&RealDisk::at(home.path()));
        std::fs::create_dir(home.path().join("todo")).unwrap();
        std::fs::write(home.path().join("todo/0"), "stray").unwrap();
        assert_eq!(detect().unwrap(), Layout::with_split(2));
        std::fs::remove_file(home.path().join("todo/0")).unwrap();
        std::fs::create_dir(home.path().join("todo/0")).unwrap();
        assert!(detect().unwrap_err().to_string().contains("queue/todo/1 is none"));
        std::fs::create_dir(home.path().join("todo/1")).unwrap();
        assert_eq!(detect().unwrap(), Layout::with_split(2).with_big_todo());
    }

    #[test]
    fn hashed_envelopes_may_be_flat_unless_a_directory_has_the_name() {
        let layout = Layout::with_split(23).with_big_todo();
        let names = |id| layout.envelopes(QueueId(id)).chain(layout.all_under_construction(QueueId(id)));
        assert_eq!(names(100).collect::<Vec<_>>(), ["todo/8/100", "todo/100", "intd/8/100", "intd/100"]);
        assert_eq!(names(22).collect::<Vec<_>>(), ["todo/22/22", "intd/22/22"]);
        assert_eq!(layout.envelope_directory(QueueId(100)), "todo/8");
        let flat: Vec<_> = Layout::with_split(23).envelopes(QueueId(3)).collect();
        assert_eq!(flat, ["todo/3"]);
    }

    #[test]
    fn names_are_those_of_the_original() {
        let (layout, id) = (Layout::with_split(23), QueueId(100));
        assert_eq!(layout.message(id), "mess/8/100");
        assert_eq!(layout.name(id), "8/100");
        assert_eq!(layout.info(id), "info/8/100");
        assert_eq!(layout.channel(Channel::Remote, id), "remote/8/100");
        assert_eq!(layout.envelope(id), "todo/100");
        assert_eq!(layout.bounce(id), "bounce/100");
    }
}
