//! The files of one message synced at the same time, by threads that linger.
//!
//! One after the other, each sync waits for a flush of the device of its own, though the file system's commit that
//! the first one waited for had it all; side by side they are in the same commit. When many messages do so at once
//! they share commits anyway and more threads only cost, so in a crowd each syncs its own, one after the other.

use crate::{crew::Crew, disk::SyncStep};
use os::shared_sync::SharedSync;
use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread::Thread,
    time::Duration,
};

/// So many messages at a time are synced side by side.
const CROWD: usize = 16;
/// How long a thread waits for more.
const THREAD_LINGER: Duration = Duration::from_secs(5);
/// A thread does one system call after the other.
const STACK_BYTES: usize = 64 * 1024;

/// The threads.
#[derive(Debug)]
pub(crate) struct SideBySide {
    crew: Crew<Task>,
    messages: AtomicUsize,
}

/// A sync for another thread.
#[derive(Debug)]
struct Task {
    place: usize,
    work: Work,
    ticket: Arc<Ticket>,
}

/// What to sync.
#[derive(Clone, Debug)]
enum Work {
    File(Arc<File>),
    Directory(PathBuf, Arc<SharedSync>),
}

impl Work {
    fn of(root: &Path, step: SyncStep<'_, Arc<File>>) -> Self {
        match step {
            SyncStep::File(file) => Self::File(Arc::clone(file)),
            SyncStep::Directory(name, shared) => Self::Directory(root.join(name), shared),
        }
    }

    fn carry_out(&self) -> io::Result<()> {
        match self {
            Self::File(file) => file.sync_all(),
            Self::Directory(path, shared) => shared.sync(|| File::open(path)?.sync_all()),
        }
    }
}

/// What the syncs of one message have come to.
#[derive(Debug)]
struct Ticket {
    /// How many other threads have yet to end.
    left: AtomicUsize,
    failures: Mutex<Vec<(usize, io::Error)>>,
    /// Who waits for them.
    owner: Thread,
}

impl SideBySide {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { crew: Crew::new(), messages: AtomicUsize::new(0) })
    }

    /// Makes all the syncs, of directories below `root`; the last in this thread. All have ended when this returns.
    pub(crate) fn sync<const N: usize>(
        self: &Arc<Self>,
        root: &Path,
        steps: [SyncStep<'_, Arc<File>>; N],
    ) -> [io::Result<()>; N] {
        let _present = Present::of(&self.messages);
        let works = steps.map(|step| Work::of(root, step));
        if self.messages.load(Ordering::Relaxed) > CROWD {
            return works.map(|work| work.carry_out());
        }
        let others = N.saturating_sub(1);
        let (left, owner) = (AtomicUsize::new(others), std::thread::current());
        let ticket = Arc::new(Ticket { left, failures: Mutex::default(), owner });
        for (place, work) in works.into_iter().enumerate() {
            if place < others {
                self.hand_on(place, work, &ticket);
            } else {
                ticket.note(place, work.carry_out());
            }
        }
        let mut failures = ticket.wait();
        std::array::from_fn(|place| match failures.iter().position(|(failed, _)| *failed == place) {
            Some(at) => Err(failures.swap_remove(at).1),
            None => Ok(()),
        })
    }

    /// Gives work to another thread; for want of one it is done here.
    fn hand_on(self: &Arc<Self>, place: usize, work: Work, ticket: &Arc<Ticket>) {
        let own = work.clone();
        let Err(task) = self.crew.offer(Task { place, work, ticket: Arc::clone(ticket) }) else { return };
        let all = Arc::clone(self);
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
            all.crew.serve(task, THREAD_LINGER, |Task { place, work, ticket }| {
                let result = work.carry_out();
                drop(work); // Whoever is woken finds the file closed here.
                ticket.end(place, result);
            });
        });
        if thread.is_err() {
            ticket.end(place, own.carry_out());
        }
    }
}

impl Ticket {
    fn failures(&self) -> MutexGuard<'_, Vec<(usize, io::Error)>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, place: usize, result: io::Result<()>) {
        if let Err(error) = result {
            self.failures().push((place, error));
        }
    }

    fn end(&self, place: usize, result: io::Result<()>) {
        self.note(place, result);
        // What this thread has noted is seen by who sees the count.
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.owner.unpark();
        }
    }

    fn wait(&self) -> Vec<(usize, io::Error)> {
        while self.left.load(Ordering::Acquire) > 0 {
            std::thread::park();
        }
        std::mem::take(&mut *self.failures())
    }
}

/// Counts a message for as long as it is being synced.
struct Present<'a>(&'a AtomicUsize);

impl<'a> Present<'a> {
    fn of(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Present<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::OwnedFd;

    #[test]
    fn many_messages_at_once_are_all_synced() {
        let all = SideBySide::new();
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("new")).unwrap();
        let shared = Arc::new(SharedSync::default());
        std::thread::scope(|scope| {
            for _ in 0..CROWD * 2 {
                scope.spawn(|| {
                    let files = [(); 2].map(|()| Arc::new(tempfile::tempfile().unwrap()));
                    for _ in 0..5 {
                        let steps = [
                            SyncStep::File(&files[0]),
                            SyncStep::File(&files[1]),
                            SyncStep::Directory("new", shared.clone()),
                        ];
                        all.sync(root.path(), steps).into_iter().for_each(|synced| synced.unwrap());
                    }
                    assert!(files.iter().all(|file| Arc::strong_count(file) == 1));
                });
            }
        });
        assert_eq!(all.messages.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_failure_of_any_is_told_in_its_place_and_is_not_the_next_ones() {
        let all = SideBySide::new();
        let root = tempfile::tempdir().unwrap();
        let good = Arc::new(tempfile::tempfile().unwrap());
        // A pipe cannot be synced.
        let pipe = Arc::new(File::from(OwnedFd::from(io::pipe().unwrap().0)));
        for bad in 0..16_u32 {
            let is_bad = |place: usize| bad & (1 << place) != 0;
            let file = |place| SyncStep::File(if is_bad(place) { &pipe } else { &good });
            let name = if is_bad(3) { "absent" } else { "." };
            let steps = [file(0), file(1), file(2), SyncStep::Directory(name, Arc::default())];
            let synced = all.sync(root.path(), steps);
            assert_eq!(synced.map(|result| result.is_err()), [0, 1, 2, 3].map(is_bad));
        }
    }
}
