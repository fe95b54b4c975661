//! Looking through `todo` or the directories of `info` or `mess`, a few names at a time.

use crate::{
    disk::{Disk, Names},
    layout::Layout,
    store::Queue,
};
use contracts::QueueId;
use std::io;

/// A walk over the messages in one place. Names that are not numbers are passed over. What is created or removed
/// meanwhile may be seen or not.
pub struct Scan {
    waiting: std::vec::IntoIter<Place>,
    open: Option<(Names, QueueId)>,
}

/// A directory, and the lowest number that is a message there.
type Place = (String, QueueId);

impl std::fmt::Debug for Scan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scan").field("waiting", &self.waiting).finish_non_exhaustive()
    }
}

impl Scan {
    fn over(directories: impl IntoIterator<Item = String>) -> Self {
        let places: Vec<Place> = directories.into_iter().map(|directory| (directory, QueueId(0))).collect();
        Self { waiting: places.into_iter(), open: None }
    }

    /// Up to `count` more messages, fewer or none only at the end. After an error the walk goes on behind the
    /// directory that could not be read.
    pub fn next<D: Disk>(&mut self, queue: &Queue<D>, count: usize) -> io::Result<Vec<QueueId>> {
        let mut found = Vec::new();
        while found.len() < count {
            let Some((names, least)) = &mut self.open else {
                match self.waiting.next() {
                    Some((directory, least)) => self.open = Some((queue.disk.names(&directory)?, least)),
                    None => break,
                }
                continue;
            };
            match names.next() {
                Some(Ok(name)) => found.extend(QueueId::parse(&name).filter(|id| id >= least)),
                Some(Err(error)) => {
                    self.open = None;
                    return Err(error);
                }
                None => self.open = None,
            }
        }
        Ok(found)
    }
}

impl<D: Disk> Queue<D> {
    /// All messages in `todo` (S4), hashed or flat.
    pub fn scan_todo(&self) -> Scan {
        let hashed = self.layout.todo_directories().map(|directory| (directory, QueueId(0)));
        let places: Vec<Place> = hashed.chain([("todo".to_owned(), self.layout.least_flat())]).collect();
        Scan { waiting: places.into_iter(), open: None }
    }

    /// All messages in `info` (S5).
    pub fn scan_info(&self) -> Scan {
        Scan::over(directories(self.layout, "info"))
    }

    /// All messages in `mess`, in whatever state.
    pub fn scan_messages(&self) -> Scan {
        Scan::over(directories(self.layout, "mess"))
    }
}

fn directories(layout: Layout, place: &str) -> Vec<String> {
    (0..layout.split()).map(|n| format!("{place}/{n}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clean::Cleaner, simulated::SimulatedDisk};

    #[test]
    fn in_a_hashed_todo_flat_leftovers_are_found_and_go_the_same_way() {
        let disk = SimulatedDisk::with_queue(3).with_big_todo(3);
        for name in ["mess/1/100", "mess/2/101", "intd/100"] {
            disk.create(name).unwrap();
        }
        for name in ["todo/100", "todo/2/101"] {
            disk.append(&disk.create(name).unwrap(), b"u1\0p2\0Fs@x\0Tr@y\0").unwrap();
        }
        let queue = Queue::on(disk.clone()).unwrap();
        let (mut scan, mut found) = (queue.scan_todo(), Vec::new());
        while let [id] = scan.next(&queue, 1).unwrap()[..] {
            found.push(id);
        }
        // The directories in it are no messages.
        assert_eq!(found, [QueueId(101), QueueId(100)]);
        for id in found {
            assert_eq!(queue.read_todo(id).unwrap().sender(), b"s@x");
            assert!(queue.stat_todo(id).unwrap().is_some());
        }
        let mut cleaner = Cleaner::start(&queue, 0);
        assert_eq!(cleaner.handle(b"todo/100\0hold/101\0", 0), b"++");
        for place in ["todo", "todo/2", "intd"] {
            assert_eq!(disk.list(place), [""; 0], "{place}");
        }
        assert_eq!(disk.list("quarantine"), ["101.mess", "101.todo"]);
    }
}
