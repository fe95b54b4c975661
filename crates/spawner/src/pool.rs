//! All warm workers of a spawner, and the dead that wait to be waited for.
//!
//! What is done for one request or answer does not depend on how many workers there are: they are found by number and
//! by key, polled by epoll, and looked at one by one only when something is due.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::Child;
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use os::process::Spawn;

use crate::trade::Reason;
use crate::worker::{Heard, Request, Terms, Worker};

/// A worker whose socket we have closed has this long to leave before it is killed.
const LEAVE_LIMIT: Duration = Duration::from_secs(10);

/// Workers that are heard in one turn of the loop; the others are in the next.
const HEARD_A_TURN: usize = 64;

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
    workers: BTreeMap<u64, Worker<K, T>>,
    by_key: HashMap<K, Vec<u64>>,
    epoll: Epoll,
    graves: Vec<Grave>,
    limit: usize,
    next_id: u64,
    next_number: u32,
    longest_packet_bytes: usize,
    news: Vec<News<K, T>>,
    /// Nothing is due before.
    next_look: Option<Instant>,
    /// Somebody may be over.
    is_anybody_over: bool,
}

#[derive(Debug)]
struct Grave {
    child: Child,
    /// Readable once it is dead. Without one it is looked at on every turn.
    end: Option<OwnedFd>,
    kill_at: Option<Instant>,
}

impl<K: Clone + Eq + Hash, T> Pool<K, T> {
    pub fn new(limit: usize) -> io::Result<Self> {
        Ok(Self {
            workers: BTreeMap::new(),
            by_key: HashMap::new(),
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            graves: Vec::new(),
            limit,
            next_id: 0,
            next_number: 0,
            longest_packet_bytes: contracts::HELLO.len(),
            news: Vec::new(),
            next_look: None,
            is_anybody_over: false,
        })
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
        let crowd = self.of_key(key).count();
        let least = self.of_key(key).min_by_key(|worker| (worker.seems_stuck(now), worker.load()));
        let asked = least.filter(|worker| crowd >= terms.spread || !worker.seems_stuck(now));
        match asked.map(|worker| worker.id) {
            Some(id) => self.with(id, |worker, heard| {
                worker.ask(request);
                worker.send(now, heard);
            }),
            None => {
                self.make_room();
                if let Err((error, request)) = self.start(key, request, hire(), *terms, now) {
                    self.lose(key, request.ticket, Reason::CannotStart(error), request.attached);
                }
            }
        }
    }

    fn start(
        &mut self,
        key: &K,
        request: Request<T>,
        spawn: Spawn,
        terms: Terms,
        now: Instant,
    ) -> Result<(), (io::Error, Request<T>)> {
        self.longest_packet_bytes = self.longest_packet_bytes.max(terms.packet_max_bytes);
        self.next_id = self.next_id.wrapping_add(1);
        let id = self.next_id;
        let mut worker = match Worker::start(id, key.clone(), spawn, terms, now) {
            Ok(worker) => worker,
            Err(error) => return Err((error, request)),
        };
        // Its socket leaves the set when it is closed.
        if let Err(error) = self.epoll.add(worker.socket(), EpollEvent::new(EpollFlags::EPOLLIN, id)) {
            worker.dismiss(&mut Vec::new());
            self.bury_one(worker);
            return Err((error.into(), request));
        }
        worker.ask(request);
        self.workers.insert(id, worker);
        self.by_key.entry(key.clone()).or_default().push(id);
        self.with(id, |_, _| {});
        Ok(())
    }

    fn of_key(&self, key: &K) -> impl Iterator<Item = &Worker<K, T>> {
        let ids = self.by_key.get(key).into_iter().flatten();
        ids.filter_map(|id| self.workers.get(id)).filter(|worker| worker.takes_requests())
    }

    /// Does something with a worker, and sees to what follows from it.
    fn with(&mut self, id: u64, act: impl FnOnce(&mut Worker<K, T>, &mut Vec<Heard<T>>)) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        let mut heard = Vec::new();
        let wanted_to_send = worker.wants_to_send();
        act(worker, &mut heard);
        self.is_anybody_over |= worker.over;
        let deadline = worker.deadline().filter(|_| !worker.over);
        self.next_look = self.next_look.into_iter().chain(deadline).min();
        let wants_to_send = worker.wants_to_send();
        if wants_to_send != wanted_to_send && !worker.over {
            let mut flags = EpollFlags::EPOLLIN;
            flags.set(EpollFlags::EPOLLOUT, wants_to_send);
            if self.epoll.modify(worker.socket(), &mut EpollEvent::new(flags, id)).is_err() {
                worker.dismiss(&mut heard);
                self.is_anybody_over = true;
            }
        }
        if !heard.is_empty() {
            let key = worker.key.clone();
            self.news.extend(heard.into_iter().map(|heard| News {
                worker: Some(id),
                key: key.clone(),
                heard,
            }));
        }
    }

    /// Closes a worker that is idle, if there are too many. If all are busy there will be one more: a few that hang
    /// must not keep others from their mail, and the slots bound them all.
    ///
    /// The one to close is the last to become idle of those that have answered but once, so that a long row of users
    /// with a message each passes through one place and leaves the others to whom comes back; if there is no such
    /// worker, the one that has been idle for longest.
    fn make_room(&mut self) {
        if self.workers.len() < self.limit {
            return;
        }
        let idle = || self.workers.values().filter(|worker| !worker.over && worker.idle_since().is_some());
        let newest = idle().filter(|worker| worker.answered <= 1).max_by_key(|worker| worker.idle_since());
        let chosen =
            newest.or_else(|| idle().min_by_key(|worker| worker.idle_since())).map(|worker| worker.id);
        if let Some(id) = chosen {
            self.with(id, |worker, _| worker.over = true);
        }
        self.bury();
    }

    fn lose(&mut self, key: &K, ticket: T, reason: Reason, attached: Option<OwnedFd>) {
        let heard = Heard::Lost(ticket, reason, attached);
        self.news.push(News { worker: None, key: key.clone(), heard });
    }

    /// What has happened since the last time.
    pub fn news(&mut self) -> Vec<News<K, T>> {
        std::mem::take(&mut self.news)
    }

    /// What polls readable when a worker has something to say or takes more.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }

    /// What polls readable when a worker that was closed is dead.
    pub fn ends(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.graves.iter().filter_map(|grave| grave.end.as_ref()).map(|end| end.as_fd())
    }

    /// The descriptor is ready: hears whoever has something to say.
    pub fn ready(&mut self, now: Instant, buffer: &mut [u8]) -> io::Result<()> {
        let mut events = [EpollEvent::empty(); HEARD_A_TURN];
        let count = match self.epoll.wait(&mut events, EpollTimeout::ZERO) {
            Err(nix::Error::EINTR) => 0,
            count => count?,
        };
        for event in events.iter().take(count) {
            self.with(event.data(), |worker, heard| {
                worker.listen(now, buffer, heard);
                worker.send(now, heard);
            });
        }
        Ok(())
    }

    /// What it said was no answer.
    pub fn dismiss(&mut self, id: u64) {
        self.with(id, |worker, heard| worker.dismiss(heard));
    }

    /// The longest packet that any worker may send, and one byte.
    pub fn buffer_bytes(&self) -> usize {
        self.longest_packet_bytes.saturating_add(1)
    }

    /// When to call [`Pool::tick`], at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        self.graves.iter().filter_map(|grave| grave.kill_at).chain(self.next_look).min()
    }

    /// Deadlines and the dead.
    pub fn tick(&mut self, now: Instant) {
        if self.next_look.is_some_and(|at| at <= now) {
            self.next_look = None;
            let all: Vec<u64> = self.workers.keys().copied().collect();
            // Which also finds out when to look again.
            all.into_iter().for_each(|id| self.with(id, |worker, heard| worker.tick(now, heard)));
        }
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
        if !std::mem::take(&mut self.is_anybody_over) {
            return;
        }
        let over: Vec<u64> = self.workers.values().filter(|worker| worker.over).map(|w| w.id).collect();
        for worker in over.iter().filter_map(|id| self.workers.remove(id)).collect::<Vec<_>>() {
            if let Some(ids) = self.by_key.get_mut(&worker.key) {
                ids.retain(|id| *id != worker.id);
                if ids.is_empty() {
                    self.by_key.remove(&worker.key);
                }
            }
            self.bury_one(worker);
        }
    }

    fn bury_one(&mut self, worker: Worker<K, T>) {
        // A child that is being started may hold a copy for a moment, which the set would go on watching.
        let _ = self.epoll.delete(worker.socket());
        let child = worker.into_child();
        let end = os::child::exit_descriptor(&child).ok();
        self.graves.push(Grave { child, end, kill_at: Instant::now().checked_add(LEAVE_LIMIT) });
    }

    /// How many workers there are.
    pub fn len(&self) -> usize {
        self.workers.len()
    }

    /// Whether a worker of that key is there to be asked.
    pub fn has(&self, key: &K) -> bool {
        self.of_key(key).next().is_some()
    }
}
