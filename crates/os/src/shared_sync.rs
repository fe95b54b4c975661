//! Group commit: one sync of a directory serves everybody who waits for it.
//!
//! Whoever comes while a sync runs cannot know whether his change is in it, and so waits for the next one; the first
//! of those who wait carries it out for all. Whoever comes while none runs starts one at once: a lone message never
//! waits for company.

use std::{
    io,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

/// The rounds of syncing one thing.
#[derive(Default, Debug)]
pub struct SharedSync {
    rounds: Mutex<Rounds>,
    ended: Condvar,
}

#[derive(Default, Debug)]
struct Rounds {
    started: u64,
    ended: u64,
    waiting: u64,
    /// The last round that failed, and how.
    failure: Option<(u64, io::ErrorKind, Option<i32>)>,
}

impl Rounds {
    fn running(&self) -> bool {
        self.started != self.ended
    }

    /// What became of round `mine`, which has ended. Only the last failure is remembered: a waiter who wakes so late
    /// that a later round failed takes that failure for his own, which asks for another try and loses nothing.
    fn outcome(&self, mine: u64) -> io::Result<()> {
        match self.failure {
            Some((round, kind, code)) if round >= mine => {
                Err(code.map_or_else(|| kind.into(), io::Error::from_raw_os_error))
            }
            _ => Ok(()),
        }
    }
}

impl SharedSync {
    /// Returns when a run of `sync` that began after this call has ended, with its result. `sync` is ours to run, or
    /// is dropped when another caller's run serves us.
    pub fn sync(&self, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let mut rounds = self.lock();
        let mine = rounds.started.saturating_add(1);
        loop {
            if rounds.ended >= mine {
                return rounds.outcome(mine);
            }
            if !rounds.running() {
                break;
            }
            rounds.waiting = rounds.waiting.saturating_add(1);
            rounds = self.ended.wait(rounds).unwrap_or_else(PoisonError::into_inner);
            rounds.waiting = rounds.waiting.saturating_sub(1);
        }
        rounds.started = rounds.started.saturating_add(1);
        drop(rounds);

        let round = Round { of: self, result: Err(io::ErrorKind::Interrupted.into()) };
        round.end_with(sync())
    }

    fn lock(&self) -> MutexGuard<'_, Rounds> {
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A round under way. Ends it even when `sync` panics, or everybody else would wait for ever.
struct Round<'a> {
    of: &'a SharedSync,
    result: io::Result<()>,
}

impl Round<'_> {
    fn end_with(mut self, result: io::Result<()>) -> io::Result<()> {
        let told = match &result {
            Ok(()) => Ok(()),
            Err(error) => Err(same(error)),
        };
        self.result = told;
        result
    }
}

impl Drop for Round<'_> {
    fn drop(&mut self) {
        let mut rounds = self.of.lock();
        rounds.ended = rounds.started;
        if let Err(error) = &self.result {
            rounds.failure = Some((rounds.started, error.kind(), error.raw_os_error()));
        }
        let is_awaited = rounds.waiting > 0;
        drop(rounds);
        if is_awaited {
            self.of.ended.notify_all();
        }
    }
}

fn same(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{
        Arc, Barrier,
        atomic::{AtomicU64, Ordering},
        mpsc,
    };

    /// Waits until `n` threads stand in the queue of waiters; there is no event for that, so it looks.
    fn until_waiting(shared: &SharedSync, waiting: &AtomicU64, n: u64) {
        while waiting.load(Ordering::SeqCst) < n {
            std::thread::yield_now();
        }
        // Each has counted itself before locking; those that are past the lock hold no guard while they wait.
        drop(shared.lock());
    }

    #[test]
    fn a_lone_caller_syncs_at_once_and_each_time() {
        let (shared, runs) = (SharedSync::default(), AtomicU64::new(0));
        for _ in 0..3 {
            shared
                .sync(|| {
                    runs.fetch_add(1, Ordering::SeqCst);
                    Ok(())
                })
                .unwrap();
        }
        assert_eq!(runs.load(Ordering::SeqCst), 3);
    }

    #[test]
    fn those_who_come_during_a_sync_share_the_next_one() {
        let shared = Arc::new(SharedSync::default());
        let (runs, waiting) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (begun, has_begun) = mpsc::channel();
        let (end, may_end) = mpsc::channel::<()>();
        let first = std::thread::spawn({
            let (shared, runs) = (shared.clone(), runs.clone());
            move || {
                shared.sync(|| {
                    runs.fetch_add(1, Ordering::SeqCst);
                    begun.send(()).unwrap();
                    may_end.recv().unwrap();
                    Ok(())
                })
            }
        });
        has_begun.recv().unwrap();
        let later: Vec<_> = (0..20)
            .map(|_| {
                let (shared, runs, waiting) = (shared.clone(), runs.clone(), waiting.clone());
                std::thread::spawn(move || {
                    waiting.fetch_add(1, Ordering::SeqCst);
                    shared.sync(|| {
                        runs.fetch_add(1, Ordering::SeqCst);
                        Ok(())
                    })
                })
            })
            .collect();
        until_waiting(&shared, &waiting, 20);
        end.send(()).unwrap();
        first.join().unwrap().unwrap();
        for thread in later {
            thread.join().unwrap().unwrap();
        }
        // One for the first; the rest share, but for stragglers that were counted and not yet at the lock.
        let runs = runs.load(Ordering::SeqCst);
        assert!((2..=21).contains(&runs), "{runs}");
    }

    #[test]
    fn everybody_in_a_failed_round_hears_of_it_and_the_next_is_fresh() {
        let shared = Arc::new(SharedSync::default());
        let barrier = Arc::new(Barrier::new(8));
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let (shared, barrier) = (shared.clone(), barrier.clone());
                std::thread::spawn(move || {
                    barrier.wait();
                    shared.sync(|| Err(io::Error::from_raw_os_error(5))).unwrap_err().raw_os_error()
                })
            })
            .collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), Some(5));
        }
        shared.sync(|| Ok(())).unwrap();
    }

    #[test]
    fn a_change_made_before_the_call_is_in_the_sync_that_serves_it() {
        let shared = Arc::new(SharedSync::default());
        let (written, synced) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let (shared, written, synced) = (shared.clone(), written.clone(), synced.clone());
                std::thread::spawn(move || {
                    for _ in 0..200 {
                        let mine = written.fetch_add(1, Ordering::SeqCst) + 1;
                        shared
                            .sync(|| {
                                synced.fetch_max(written.load(Ordering::SeqCst), Ordering::SeqCst);
                                Ok(())
                            })
                            .unwrap();
                        assert!(synced.load(Ordering::SeqCst) >= mine);
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }

    #[test]
    fn a_sync_that_panics_leaves_nobody_waiting() {
        let shared = SharedSync::default();
        let panicked =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| shared.sync(|| panic!("as a test"))));
        assert!(panicked.is_err());
        shared.sync(|| Ok(())).unwrap();
    }
}
