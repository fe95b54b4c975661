//! Where things are in `queue/`: names of directories and files, and the split found on disk (contract 4.1).
//!
//! Every name here is relative to the queue directory. Nothing is opened here but to detect the split.

use crate::disk::Disk;
use contracts::{Channel, QueueId};
use std::io;

/// More split directories than any installation has; a larger number is a broken tree.
pub const SPLIT_MAX: u64 = 100_000;

/// The shape of one queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    split: u64,
}

impl Layout {
    /// A queue with `mess/0` to `mess/(split-1)`.
    pub fn with_split(split: u64) -> Self {
        Self { split: split.max(1) }
    }

    /// Counts the directories `mess/0`, `mess/1`, ... A gap is an error: with a wrong split every message would be
    /// looked for in the wrong place.
    ///
    /// The big-todo patch hashes `todo` and `intd` in the same way; `todo/0` is then a directory (contract 16.6).
    /// It is not spoken yet; where it will be: `envelope` and `under_construction` get a hash, `scan` a level.
    pub fn detect(disk: &impl Disk) -> io::Result<Self> {
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
            Some(highest) if highest < SPLIT_MAX && highest.checked_add(1) == Some(count) => {
                Ok(Self { split: count })
            }
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "queue/mess has no directories or a gap in them",
            )),
        }
    }

    /// The number of directories under each of `mess`, `info`, `local`, `remote`.
    pub fn split(self) -> u64 {
        self.split
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

    /// `todo/ID`: the envelope of a queued message.
    pub fn envelope(self, id: QueueId) -> String {
        format!("todo/{id}")
    }

    /// `intd/ID`: the envelope under construction.
    pub fn under_construction(self, id: QueueId) -> String {
        format!("intd/{id}")
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
