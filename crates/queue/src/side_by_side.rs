//! The files of one message synced at the same time, by threads that linger.
//!
//! One after the other, each sync waits for a flush of the device of its own, though the file system's commit that
//! the first one waited for had it all; side by side they are in the same commit. When many messages do so at once
//! they share commits anyway and more threads only cost, so in a crowd each syncs its own, one after the other.

use crate::crew::Crew;
use std::{
    fs::File,
    io,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
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

/// A file to sync.
#[derive(Debug)]
struct Task {
    number: u64,
    file: File,
    ticket: Arc<Ticket>,
}

/// What the syncs of one message have come to.
#[derive(Default, Debug)]
struct Ticket {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Default, Debug)]
struct State {
    ended: usize,
    error: Option<io::Error>,
}

impl SideBySide {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { crew: Crew::new(), messages: AtomicUsize::new(0), tasks: AtomicU64::new(0) })
    }

    /// Syncs the files and does `meanwhile`, in any order. Both have ended when this returns.
    pub(crate) fn sync<const N: usize>(
        self: &Arc<Self>,
        files: [&File; N],
        meanwhile: impl FnOnce() -> io::Result<()>,
    ) -> (io::Result<()>, io::Result<()>) {
        let _present = Present::of(&self.messages);
        if self.messages.load(Ordering::Relaxed) > CROWD {
            return (files.iter().try_for_each(|file| file.sync_all()), meanwhile());
        }
        let ticket = Arc::new(Ticket::default());
        let handed_on = files.iter().filter(|file| self.hand_on(file, &ticket)).count();
        let meanwhile = meanwhile();
        (ticket.wait(handed_on), meanwhile)
    }

    /// False when the sync was made here, for want of a descriptor or a thread; its failure is in the ticket.
    fn hand_on(self: &Arc<Self>, file: &File, ticket: &Arc<Ticket>) -> bool {
        let Ok(handle) = file.try_clone() else {
            ticket.note(file.sync_all());
            return false;
        };
        let number = self.tasks.fetch_add(1, Ordering::Relaxed);
        if self.crew.offer(Task { number, file: handle, ticket: Arc::clone(ticket) }) {
            return true;
        }
        let all = Arc::clone(self);
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
            while let Some(task) = all.crew.next(THREAD_LINGER) {
                task.ticket.end(task.file.sync_all());
            }
        });
        if thread.is_err() && self.crew.withdraw(|task| task.number == number) {
            ticket.note(file.sync_all());
            return false;
        }
        true
    }
}

impl Ticket {
    fn note(&self, result: io::Result<()>) {
        if let Err(error) = result {
            self.state.lock().unwrap_or_else(PoisonError::into_inner).error = Some(error);
        }
    }

    fn end(&self, result: io::Result<()>) {
        self.note(result);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.ended = state.ended.saturating_add(1);
        drop(state);
        self.ended.notify_one();
    }

    fn wait(&self, handed_on: usize) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while state.ended < handed_on {
            state = self.ended.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.error.take().map_or(Ok(()), Err)
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
        let directory = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..CROWD * 2 {
                scope.spawn(|| {
                    let files = [tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap()];
                    for _ in 0..5 {
                        let new = File::open(directory.path()).unwrap();
                        let (synced, meanwhile) = all.sync([&files[0], &files[1]], || new.sync_all());
                        synced.and(meanwhile).unwrap();
                    }
                });
            }
        });
        assert_eq!(all.messages.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_failure_of_any_is_told_and_is_not_the_next_ones() {
        let all = SideBySide::new();
        let good = tempfile::tempfile().unwrap();
        // A pipe cannot be synced.
        let pipe = File::from(OwnedFd::from(io::pipe().unwrap().0));
        for files in [[&pipe, &good], [&good, &pipe], [&pipe, &pipe]] {
            let (synced, meanwhile) = all.sync(files, || Ok(()));
            assert!(synced.is_err());
            meanwhile.unwrap();
        }
        let (synced, meanwhile) = all.sync([&good, &good], || Err(io::ErrorKind::Other.into()));
        synced.unwrap();
        assert!(meanwhile.is_err());
    }
}
