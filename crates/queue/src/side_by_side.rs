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
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
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
    tasks: AtomicU64,
}

/// A sync for another thread.
#[derive(Debug)]
struct Task {
    number: u64,
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
    state: Mutex<State>,
    all_ended: Condvar,
}

#[derive(Debug)]
struct State {
    /// How many other threads have yet to end.
    left: usize,
    failures: Vec<(usize, io::Error)>,
}

impl SideBySide {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { crew: Crew::new(), messages: AtomicUsize::new(0), tasks: AtomicU64::new(0) })
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
        let state = State { left: others, failures: Vec::new() };
        let ticket = Arc::new(Ticket { state: Mutex::new(state), all_ended: Condvar::new() });
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
        let number = self.tasks.fetch_add(1, Ordering::Relaxed);
        let own = work.clone();
        if self.crew.offer(Task { number, place, work, ticket: Arc::clone(ticket) }) {
            return;
        }
        let all = Arc::clone(self);
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
            while let Some(Task { place, work, ticket, .. }) = all.crew.next(THREAD_LINGER) {
                let result = work.carry_out();
                drop(work); // Whoever is woken finds the file closed here.
                ticket.end(place, result);
            }
        });
        if thread.is_err() && self.crew.withdraw(|task| task.number == number) {
            ticket.end(place, own.carry_out());
        }
    }
}

impl Ticket {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, place: usize, result: io::Result<()>) {
        if let Err(error) = result {
            self.lock().failures.push((place, error));
        }
    }

    fn end(&self, place: usize, result: io::Result<()>) {
        self.note(place, result);
        let mut state = self.lock();
        state.left = state.left.saturating_sub(1);
        let is_last = state.left == 0;
        drop(state);
        if is_last {
            self.all_ended.notify_one();
        }
    }

    fn wait(&self) -> Vec<(usize, io::Error)> {
        let mut state = self.lock();
        while state.left > 0 {
            state = self.all_ended.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::take(&mut state.failures)
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
