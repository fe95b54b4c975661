//! Work for threads that linger: a thread that has ended one piece of work waits a while for the next.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Pieces of work without a thread, and threads without work.
#[derive(Debug)]
pub(crate) struct Crew<T> {
    state: Mutex<State<T>>,
    arrived: Condvar,
}

#[derive(Debug)]
struct State<T> {
    work: VecDeque<T>,
    threads: usize,
}

impl<T> Crew<T> {
    pub(crate) fn new() -> Self {
        Self { state: Mutex::new(State { work: VecDeque::new(), threads: 0 }), arrived: Condvar::new() }
    }

    /// Adds work. False when no thread waits for it: the caller starts one, which takes [`Crew::next`].
    #[must_use]
    pub(crate) fn offer(&self, work: T) -> bool {
        let mut state = self.lock();
        state.work.push_back(work);
        let taken = state.threads >= state.work.len();
        if taken {
            self.arrived.notify_one();
        }
        taken
    }

    /// Takes work back for which no thread could be started. False when another thread has it by now.
    pub(crate) fn withdraw(&self, is_it: impl Fn(&T) -> bool) -> bool {
        let mut state = self.lock();
        let before = state.work.len();
        state.work.retain(|work| !is_it(work));
        state.work.len() < before
    }

    /// The next piece of work; `None` when there was none for so long.
    pub(crate) fn next(&self, linger: Duration) -> Option<T> {
        let mut state = self.lock();
        if state.work.is_empty() {
            state.threads = state.threads.saturating_add(1);
            let waited = self.arrived.wait_timeout_while(state, linger, |state| state.work.is_empty());
            state = waited.map_or_else(|poisoned| poisoned.into_inner().0, |(guard, _)| guard);
            state.threads = state.threads.saturating_sub(1);
        }
        state.work.pop_front()
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    #[test]
    fn every_piece_of_work_is_done_once_by_few_threads() {
        let crew = Arc::new(Crew::new());
        let (started, sum) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
        let mut threads = Vec::new();
        for n in 1..=1000 {
            if !crew.offer(n) {
                started.fetch_add(1, Ordering::SeqCst);
                let (crew, sum) = (crew.clone(), sum.clone());
                threads.push(std::thread::spawn(move || {
                    while let Some(n) = crew.next(Duration::from_millis(10)) {
                        sum.fetch_add(n, Ordering::SeqCst);
                    }
                }));
            }
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(sum.load(Ordering::SeqCst), 1000 * 1001 / 2);
        assert!(started.load(Ordering::SeqCst) <= 1000);
    }

    #[test]
    fn work_can_be_taken_back() {
        let crew = Crew::new();
        assert!(!crew.offer(1));
        assert!(!crew.offer(2));
        assert!(crew.withdraw(|n| *n == 1));
        assert!(!crew.withdraw(|n| *n == 1));
        assert_eq!(crew.next(Duration::ZERO), Some(2));
        assert_eq!(crew.next(Duration::ZERO), None);
    }
}
