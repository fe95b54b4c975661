//! All warm workers of a spawner, and the dead that wait to be waited for.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::Child;
use std::time::{Duration, Instant};

use os::process::Spawn;

use crate::trade::Reason;
use crate::worker::{Heard, Request, Terms, Worker};

/// A worker whose socket we have closed has this long to leave before it is killed.
const LEAVE_LIMIT: Duration = Duration::from_secs(10);

/// News of one request.
#[derive(Debug)]
pub(crate) struct News<K, T> {
    pub worker: Option<u64>,
    pub key: K,
    pub heard: Heard<T>,
}

/// The workers, by key.
#[derive(Debug)]
pub(crate) struct Pool<K, T> {
    workers: Vec<Worker<K, T>>,
    graves: Vec<Grave>,
    limit: usize,
    next_id: u64,
    next_number: u32,
    news: Vec<News<K, T>>,
}

#[derive(Debug)]
struct Grave {
    child: Child,
    /// Readable once it is dead. Without one it is looked at on every turn.
    end: Option<OwnedFd>,
    kill_at: Option<Instant>,
}

impl<K: Clone + Eq, T> Pool<K, T> {
    pub fn new(limit: usize) -> Self {
        Self { workers: Vec::new(), graves: Vec::new(), limit, next_id: 0, next_number: 0, news: Vec::new() }
    }

    /// Asks a worker of that key, a new one if need be. `encode` gets the request's number.
    pub fn assign(
        &mut self,
        key: &K,
        ticket: T,
        attached: Option<OwnedFd>,
        terms: &Terms,
        encode: impl FnOnce(u32) -> Vec<u8>,
        hire: impl FnOnce() -> Spawn,
    ) {
        let now = Instant::now();
        self.next_number = self.next_number.wrapping_add(1);
        let number = self.next_number;
        let packet = encode(number);
        if packet.len() > terms.packet_max_bytes {
            return self.lose(key, ticket, Reason::Unsendable, attached);
        }
        let request = Request { number, ticket, packet, attached, since: now };
        let of_key = |worker: &Worker<K, T>| worker.key == *key && worker.takes_requests();
        let crowd = self.workers.iter().filter(|worker| of_key(worker)).count();
        let least = self
            .workers
            .iter_mut()
            .filter(|worker| of_key(worker))
            .min_by_key(|worker| (worker.seems_stuck(now), worker.load()));
        let mut heard = Vec::new();
        match least {
            Some(worker) if crowd >= terms.spread || !worker.seems_stuck(now) => {
                worker.ask(request);
                worker.send(now, &mut heard);
                let (id, key) = (worker.id, worker.key.clone());
                self.tell(id, &key, heard);
            }
            _ => {
                self.make_room();
                self.next_id = self.next_id.wrapping_add(1);
                match Worker::start(self.next_id, key.clone(), hire(), *terms, now) {
                    Ok(mut worker) => {
                        worker.ask(request);
                        self.workers.push(worker);
                    }
                    Err(error) => {
                        self.lose(key, request.ticket, Reason::CannotStart(error), request.attached);
                    }
                }
            }
        }
    }

    /// Closes the worker that has been idle for longest, if there are too many. If all are busy there will be
    /// one more: a few that hang must not keep others from their mail, and the slots bound them all.
    fn make_room(&mut self) {
        if self.workers.len() < self.limit {
            return;
        }
        let idle = self.workers.iter_mut().filter(|worker| !worker.over && worker.idle_since().is_some());
        if let Some(longest) = idle.min_by_key(|worker| worker.idle_since()) {
            longest.over = true;
        }
        self.bury();
    }

    fn lose(&mut self, key: &K, ticket: T, reason: Reason, attached: Option<OwnedFd>) {
        let heard = Heard::Lost(ticket, reason, attached);
        self.news.push(News { worker: None, key: key.clone(), heard });
    }

    fn tell(&mut self, worker: u64, key: &K, heard: Vec<Heard<T>>) {
        let news = heard.into_iter().map(|heard| News { worker: Some(worker), key: key.clone(), heard });
        self.news.extend(news);
    }

    /// What has happened since the last time.
    pub fn news(&mut self) -> Vec<News<K, T>> {
        std::mem::take(&mut self.news)
    }

    /// Descriptors to poll: the worker or grave they belong to, and whether it wants to send.
    pub fn descriptors(&self) -> impl Iterator<Item = (Option<u64>, BorrowedFd<'_>, bool)> {
        let workers = self.workers.iter().map(|w| (Some(w.id), w.socket(), w.wants_to_send()));
        let graves = self.graves.iter().filter_map(|g| g.end.as_ref()).map(|end| (None, end.as_fd(), false));
        workers.chain(graves)
    }

    /// A worker's socket is ready.
    pub fn ready(&mut self, id: u64, now: Instant, buffer: &mut [u8]) {
        let mut heard = Vec::new();
        if let Some(worker) = self.workers.iter_mut().find(|worker| worker.id == id) {
            worker.listen(now, buffer, &mut heard);
            worker.send(now, &mut heard);
            let key = worker.key.clone();
            self.tell(id, &key, heard);
        }
    }

    /// What it said was no answer.
    pub fn dismiss(&mut self, id: u64) {
        let mut heard = Vec::new();
        if let Some(worker) = self.workers.iter_mut().find(|worker| worker.id == id) {
            worker.dismiss(&mut heard);
            let key = worker.key.clone();
            self.tell(id, &key, heard);
        }
    }

    /// The longest packet that any worker may send, and one byte.
    pub fn buffer_bytes(&self) -> usize {
        let longest = self.workers.iter().map(|worker| worker.terms.packet_max_bytes).max().unwrap_or(0);
        longest.max(contracts::HELLO.len()).saturating_add(1)
    }

    pub fn deadline(&self) -> Option<Instant> {
        let workers = self.workers.iter().filter_map(Worker::deadline);
        workers.chain(self.graves.iter().filter_map(|grave| grave.kill_at)).min()
    }

    /// Deadlines and the dead.
    pub fn tick(&mut self, now: Instant) {
        let mut all = Vec::new();
        for worker in &mut self.workers {
            let mut heard = Vec::new();
            worker.tick(now, &mut heard);
            all.extend(heard.into_iter().map(|heard| News {
                worker: Some(worker.id),
                key: worker.key.clone(),
                heard,
            }));
        }
        self.news.extend(all);
        self.bury();
        for grave in &mut self.graves {
            if grave.kill_at.is_some_and(|at| at <= now) {
                let _ = grave.child.kill();
                grave.kill_at = None;
            }
        }
        self.graves.retain_mut(|grave| matches!(grave.child.try_wait(), Ok(None)));
    }

    /// Closes the sockets of workers that are over; their processes are waited for.
    fn bury(&mut self) {
        for worker in self.workers.extract_if(.., |worker| worker.over) {
            let child = worker.into_child();
            let end = os::child::exit_descriptor(&child).ok();
            self.graves.push(Grave { child, end, kill_at: Instant::now().checked_add(LEAVE_LIMIT) });
        }
    }

    /// How many workers there are.
    pub fn len(&self) -> usize {
        self.workers.len()
    }

    /// Whether a worker of that key is there to be asked.
    pub fn has(&self, key: &K) -> bool {
        self.workers.iter().any(|worker| worker.key == *key && worker.takes_requests())
    }
}
