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
    waiting: std::vec::IntoIter<String>,
    open: Option<Names>,
}

impl std::fmt::Debug for Scan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scan").field("waiting", &self.waiting).finish_non_exhaustive()
    }
}

impl Scan {
    fn over(directories: Vec<String>) -> Self {
        Self { waiting: directories.into_iter(), open: None }
    }

    /// Up to `count` more messages, fewer or none only at the end. After an error the walk goes on behind the
    /// directory that could not be read.
    pub fn next<D: Disk>(&mut self, queue: &Queue<D>, count: usize) -> io::Result<Vec<QueueId>> {
        let mut found = Vec::new();
        while found.len() < count {
            let Some(names) = &mut self.open else {
                match self.waiting.next() {
                    Some(directory) => self.open = Some(queue.disk.names(&directory)?),
                    None => break,
                }
                continue;
            };
            match names.next() {
                Some(Ok(name)) => found.extend(QueueId::parse(&name)),
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
    /// All messages in `todo` (S4).
    pub fn scan_todo(&self) -> Scan {
        Scan::over(vec!["todo".to_owned()])
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
