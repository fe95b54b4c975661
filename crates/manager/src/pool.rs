//! A few threads for one kind of work. They come when there is work and leave after idling, so that a quiet system has
//! none.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a thread waits for more.
const IDLE: Duration = Duration::from_secs(10);
/// Jobs need little; a bounce copies with a buffer on the heap.
const STACK_BYTES: usize = 256 * 1024;

/// The threads and what waits for them.
pub(crate) struct Pool<J: Send + 'static> {
    shared: Arc<Shared<J>>,
}

struct Shared<J> {
    state: Mutex<State<J>>,
    more: Condvar,
    name: &'static str,
    threads_max: usize,
    /// How many jobs one thread takes at a time.
    batch_max: usize,
    work: Box<dyn Fn(Vec<J>) + Send + Sync>,
}

struct State<J> {
    jobs: VecDeque<J>,
    threads: usize,
    idle: usize,
}

impl<J: Send + 'static> Pool<J> {
    /// No thread yet. `work` does a batch of at most `batch_max` jobs.
    pub(crate) fn new(
        name: &'static str,
        threads_max: usize,
        batch_max: usize,
        work: impl Fn(Vec<J>) + Send + Sync + 'static,
    ) -> Self {
        let state = Mutex::new(State { jobs: VecDeque::new(), threads: 0, idle: 0 });
        let work = Box::new(work);
        Self { shared: Arc::new(Shared { state, more: Condvar::new(), name, threads_max, batch_max, work }) }
    }

    /// Leaves a job to the threads.
    pub(crate) fn push(&self, job: J) {
        self.push_all(std::iter::once(job));
    }

    /// Leaves jobs to as few threads as take them at once.
    pub(crate) fn push_all(&self, jobs: impl IntoIterator<Item = J>) {
        let mut state = self.shared.lock();
        state.jobs.extend(jobs);
        let wanted = state.jobs.len().div_ceil(self.shared.batch_max);
        if wanted > state.idle && state.threads < self.shared.threads_max {
            let shared = Arc::clone(&self.shared);
            let thread = std::thread::Builder::new().name(self.shared.name.into()).stack_size(STACK_BYTES);
            // Without a new thread an old one does it; without any, the next push tries again.
            if thread.spawn(move || shared.serve()).is_ok() {
                state.threads = state.threads.saturating_add(1);
            }
        }
        let woken = wanted.min(state.idle);
        drop(state);
        (0..woken).for_each(|_| self.shared.more.notify_one());
    }
}

impl<J: Send> Shared<J> {
    fn lock(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self) {
        let mut state = self.lock();
        loop {
            if state.jobs.is_empty() {
                state.idle = state.idle.saturating_add(1);
                let (woken, timeout) = self
                    .more
                    .wait_timeout_while(state, IDLE, |state| state.jobs.is_empty())
                    .unwrap_or_else(PoisonError::into_inner);
                state = woken;
                state.idle = state.idle.saturating_sub(1);
                if timeout.timed_out() && state.jobs.is_empty() {
                    state.threads = state.threads.saturating_sub(1);
                    return;
                }
            }
            let count = state.jobs.len().min(self.batch_max);
            let batch: Vec<J> = state.jobs.drain(..count).collect();
            drop(state);
            if !batch.is_empty() {
                (self.work)(batch);
            }
            state = self.lock();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn every_job_is_done_once() {
        let (done, results) = mpsc::channel();
        let pool = Pool::new("test", 3, 16, move |jobs: Vec<u32>| {
            assert!(jobs.len() <= 16);
            jobs.into_iter().for_each(|job| done.send(job).unwrap());
        });
        (0..1000).for_each(|job| pool.push(job));
        let mut got: Vec<u32> = results.iter().take(1000).collect();
        got.sort_unstable();
        assert_eq!(got, (0..1000).collect::<Vec<_>>());
    }
}
