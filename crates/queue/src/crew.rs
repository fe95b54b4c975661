//! Work for threads that linger: a thread that has ended one piece of work waits a while for the next.
//!
//! Each of those who wait has a seat of its own, so that handing on a piece of work wakes one thread and makes it wait for
//! nobody: with one list for all, whoever was woken met the lock of who had woken him.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::Thread,
    time::{Duration, Instant},
};

/// Threads without work.
#[derive(Debug)]
pub(crate) struct Crew<T> {
    /// Who has come last is asked first: its memory is still near, and those who are not needed go.
    idle: Mutex<Vec<Arc<Seat<T>>>>,
}

/// Where a thread waits.
#[derive(Debug)]
struct Seat<T> {
    work: Mutex<Option<T>>,
    thread: Thread,
}

impl<T> Crew<T> {
    pub(crate) fn new() -> Self {
        Self { idle: Mutex::new(Vec::new()) }
    }

    /// Gives work to a thread that waits. When none does it comes back: the caller starts one, which calls
    /// [`Crew::serve`] with it.
    pub(crate) fn offer(&self, work: T) -> Result<(), T> {
        let Some(seat) = lock(&self.idle).pop() else { return Err(work) };
        *lock(&seat.work) = Some(work);
        seat.thread.unpark();
        Ok(())
    }

    /// Carries out the first piece of work, and whatever else is offered until nothing has been for so long.
    pub(crate) fn serve(&self, first: T, linger: Duration, mut carry_out: impl FnMut(T)) {
        let seat = Arc::new(Seat { work: Mutex::new(None), thread: std::thread::current() });
        let mut next = Some(first);
        while let Some(work) = next {
            carry_out(work);
            next = self.wait(&seat, linger);
        }
    }

    /// The next piece of work; `None` when there was none for so long.
    fn wait(&self, seat: &Arc<Seat<T>>, linger: Duration) -> Option<T> {
        lock(&self.idle).push(Arc::clone(seat));
        let until = Instant::now().checked_add(linger);
        loop {
            if let Some(work) = lock(&seat.work).take() {
                return Some(work);
            }
            let left = until.map_or(linger, |until| until.saturating_duration_since(Instant::now()));
            if !left.is_zero() {
                std::thread::park_timeout(left);
            } else if self.leave(seat) {
                return None;
            } else {
                // Who has taken the seat off the list brings work in a moment.
                std::thread::park();
            }
        }
    }

    /// Whether the seat was still on the list.
    fn leave(&self, seat: &Arc<Seat<T>>) -> bool {
        let mut idle = lock(&self.idle);
        let place = idle.iter().position(|other| Arc::ptr_eq(other, seat));
        place.map(|place| idle.remove(place)).is_some()
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    };

    #[test]
    fn every_piece_of_work_is_done_once_by_few_threads() {
        let crew = Arc::new(Crew::new());
        let (mut started, sum) = (0, Arc::new(AtomicUsize::new(0)));
        let mut threads = Vec::new();
        for n in 1..=1000 {
            if let Err(n) = crew.offer(n) {
                started += 1;
                let (crew, sum) = (crew.clone(), sum.clone());
                threads.push(std::thread::spawn(move || {
                    crew.serve(n, Duration::from_millis(10), |n| {
                        sum.fetch_add(n, Ordering::SeqCst);
                    });
                }));
            }
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(sum.load(Ordering::SeqCst), 1000 * 1001 / 2);
        assert!(started <= 1000);
        assert!(crew.offer(1).is_err(), "all have gone");
    }

    #[test]
    fn a_thread_that_lingers_does_what_comes_next() {
        let crew = Arc::new(Crew::new());
        let (done, hear) = mpsc::channel();
        let thread = std::thread::spawn({
            let crew = crew.clone();
            move || {
                crew.serve(0, Duration::from_secs(60), |n| {
                    done.send((n, std::thread::current().id())).unwrap()
                })
            }
        });
        let (_, first) = hear.recv().unwrap();
        for mut n in 1..100 {
            while let Err(back) = crew.offer(n) {
                n = back;
                std::thread::yield_now(); // It has not sat down yet.
            }
            assert_eq!(hear.recv().unwrap(), (n, first));
        }
        assert!(!thread.is_finished());
    }
}
