//! The service on `run/queue`: hand-offs from local programs, a thread a connection (contracts::queue_service).
//!
//! It never waits to gather messages. While one sync runs, others arrive and share the next (os::shared_sync); files
//! of several messages synced at once share the file system's own commit.
//!
//! Peers are strangers: everybody may connect. Each is bounded in time and bytes; idle connections make room for new
//! ones; a stranger's uid gets only part of the connections.

mod taking;
mod uninterrupted;

use crate::{
    Queue,
    caller::Roles,
    crew::Crew,
    disk::Disk,
    incoming::{Caller, Qp},
    service::{taking::hand_off, uninterrupted::Uninterrupted},
    trigger,
};
use contracts::{QueueExit, queue_service::Reply};
use message::received::InvokedBy;
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{getsockopt, sockopt::PeerCredentials},
};
use std::{
    collections::BTreeMap,
    io::{self, BufRead, BufReader, Write},
    net::Shutdown,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Connections at a time.
pub const CONNECTIONS_MAX: usize = 200;
/// Of those, for all uids together that are no roles of the installation: others must not keep smtpd and send out.
pub const STRANGERS_MAX: usize = 150;
/// Of those, for one such uid.
pub const CONNECTIONS_PER_STRANGER_MAX: usize = 100;
/// A peer that says nothing for so long is gone.
const READ_TIMEOUT: Duration = Duration::from_secs(3600);
/// A connection that has been idle for so long may be closed to make room.
const IDLE_ENOUGH: Duration = Duration::from_secs(1);
/// How long to wait for room before looking whether the service is to end.
const ROOM_WAIT: Duration = Duration::from_millis(200);
/// How long hand-offs under way may take when the service is to end.
const GRACE: Duration = Duration::from_secs(10);
/// How long a thread waits for its next connection.
const THREAD_LINGER: Duration = Duration::from_secs(5);
/// A thread does little more than copy.
const STACK_BYTES: usize = 256 * 1024;
const READ_BUFFER_BYTES: usize = 64 * 1024;

/// The service: a queue, and who its callers may be.
#[derive(Debug)]
pub struct Service<D: Disk> {
    queue: Queue<D>,
    roles: Roles,
    directory: PathBuf,
    connections: Mutex<Connections>,
    changed: Condvar,
    crew: Crew<Accepted>,
}

/// A connection that has been let in.
#[derive(Debug)]
struct Accepted {
    stream: UnixStream,
    number: u64,
    uid: u32,
    by: InvokedBy,
}

#[derive(Default, Debug)]
struct Connections {
    open: BTreeMap<u64, Connection>,
    next: u64,
    ending: bool,
}

#[derive(Debug)]
struct Connection {
    stream: UnixStream,
    /// The uid of a peer that is no role of the installation.
    stranger: Option<u32>,
    idle_since: Option<Instant>,
}

impl<D: Disk + 'static> Service<D> {
    /// A service for the installation in `home`, whose queue is open.
    pub fn new(queue: Queue<D>, roles: Roles, home: &Path) -> Arc<Self> {
        Arc::new(Self {
            queue,
            roles,
            directory: home.join("queue"),
            connections: Mutex::default(),
            changed: Condvar::new(),
            crew: Crew::new(),
        })
    }

    /// Serves until one of `ends` is readable or at its end of file; then lets what is under way finish, for a while.
    pub fn run(self: &Arc<Self>, listener: &UnixListener, ends: &[BorrowedFd<'_>]) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        loop {
            let has_room = self.make_room();
            let happened = wait(has_room.then(|| listener.as_fd()), ends)?;
            if happened == Happened::End {
                break;
            }
            if happened == Happened::Nothing {
                continue;
            }
            match listener.accept() {
                Ok((stream, _)) => self.admit(stream),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // Out of descriptors or memory, or the peer has gone again: the next one may do.
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
        }
        self.end();
        Ok(())
    }

    /// True when there is room for one more connection. Otherwise closes the one that has been idle longest, and
    /// waits a moment for any to end.
    fn make_room(&self) -> bool {
        let connections = self.lock();
        if connections.open.len() < CONNECTIONS_MAX {
            return true;
        }
        let idle = connections.open.values().filter_map(|c| c.idle_since.map(|since| (since, &c.stream)));
        match idle.min_by_key(|(since, _)| *since) {
            Some((since, stream)) if since.elapsed() >= IDLE_ENOUGH => {
                let _ = stream.shutdown(Shutdown::Read);
            }
            _ => {}
        }
        let waited = self.changed.wait_timeout(connections, ROOM_WAIT);
        waited.map_or_else(|poisoned| poisoned.into_inner().0, |(guard, _)| guard).open.len()
            < CONNECTIONS_MAX
    }

    fn admit(self: &Arc<Self>, stream: UnixStream) {
        // Dropping the stream hangs up; the peer takes that for a passing failure.
        let Ok(credentials) = getsockopt(&stream, PeerCredentials) else { return };
        let uid = credentials.uid();
        let by = self.roles.invoked_by(uid);
        let Some(number) = self.register(&stream, uid, by) else {
            let refusal = Reply { exit: QueueExit::ServerRefusedForNow as u8, qp: 0, text: Vec::new() };
            let _ = stream.set_nonblocking(true);
            let _ = (&stream).write(&refusal.encode());
            return;
        };
        self.give_to_a_thread(Accepted { stream, number, uid, by });
    }

    /// Hands a connection to a thread that has ended another, or to a new one.
    fn give_to_a_thread(self: &Arc<Self>, accepted: Accepted) {
        let number = accepted.number;
        let Err(accepted) = self.crew.offer(accepted) else { return };
        let service = Arc::clone(self);
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
            service.crew.serve(accepted, THREAD_LINGER, |accepted| {
                let registered = Registered { service: &service, number: accepted.number };
                let _ = registered.serve(&accepted.stream, accepted.uid, accepted.by);
            });
        });
        if thread.is_err() {
            self.forget(number);
        }
    }

    fn register(&self, stream: &UnixStream, uid: u32, by: InvokedBy) -> Option<u64> {
        stream.set_nonblocking(false).ok()?;
        stream.set_read_timeout(Some(READ_TIMEOUT)).ok()?;
        stream.set_write_timeout(Some(READ_TIMEOUT)).ok()?;
        let is_stranger = matches!(by, InvokedBy::Uid(uid) if uid != 0) && !self.roles.is_one_for_all();
        let stranger = is_stranger.then_some(uid);
        let mut connections = self.lock();
        if stranger.is_some() {
            let strangers = connections.open.values().filter(|c| c.stranger.is_some());
            let (all, same) = strangers.fold((0, 0), |(all, same): (usize, usize), c| {
                (all.saturating_add(1), same.saturating_add(usize::from(c.stranger == stranger)))
            });
            if all >= STRANGERS_MAX || same >= CONNECTIONS_PER_STRANGER_MAX {
                return None;
            }
        }
        let number = connections.next;
        connections.next = number.wrapping_add(1);
        let connection =
            Connection { stream: stream.try_clone().ok()?, stranger, idle_since: Some(Instant::now()) };
        connections.open.insert(number, connection);
        Some(number)
    }

    fn forget(&self, number: u64) {
        self.lock().open.remove(&number);
        self.changed.notify_all();
    }

    /// Closes what is idle, then waits for the rest; what is not done in time was never accepted.
    fn end(&self) {
        let deadline = Instant::now().checked_add(GRACE);
        let mut connections = self.lock();
        connections.ending = true;
        for connection in connections.open.values().filter(|c| c.idle_since.is_some()) {
            let _ = connection.stream.shutdown(Shutdown::Read);
        }
        while !connections.open.is_empty() {
            let left = deadline.map(|d| d.saturating_duration_since(Instant::now())).unwrap_or_default();
            if left.is_zero() {
                return;
            }
            let waited = self.changed.wait_timeout(connections, left);
            connections = waited.map_or_else(|poisoned| poisoned.into_inner().0, |(guard, _)| guard);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Connections> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that is taken off the list when its thread ends, however it ends.
struct Registered<'s, D: Disk + 'static> {
    service: &'s Service<D>,
    number: u64,
}

impl<D: Disk + 'static> Drop for Registered<'_, D> {
    fn drop(&mut self) {
        self.service.forget(self.number);
    }
}

impl<D: Disk + 'static> Registered<'_, D> {
    /// Carries out one hand-off after the other until the peer goes.
    fn serve(&self, stream: &UnixStream, uid: u32, by: InvokedBy) -> io::Result<()> {
        let mut from = BufReader::with_capacity(READ_BUFFER_BYTES, Uninterrupted(stream));
        while !from.fill_buf()?.is_empty() && self.busy() {
            let caller = Caller { uid, by, now: now(), qp: Qp::QueueId, keep_intd: false };
            let (result, drained) = hand_off(&self.service.queue, &caller, &mut from)?;
            let reply = match &result {
                Ok(id) => Reply { exit: QueueExit::Queued as u8, qp: id.0, text: Vec::new() },
                Err(error) => Reply { exit: QueueExit::from(error) as u8, qp: 0, text: Vec::new() },
            };
            let told = (&mut (&*stream)).write_all(&reply.encode());
            if let Ok(id) = result {
                trigger::pull(&self.service.directory, id);
            }
            told?;
            if !drained {
                break;
            }
            self.idle();
        }
        Ok(())
    }

    /// A hand-off begins. False when the service is ending and takes no more.
    fn busy(&self) -> bool {
        let mut connections = self.service.lock();
        let ending = connections.ending;
        if let Some(connection) = connections.open.get_mut(&self.number) {
            connection.idle_since = None;
        }
        !ending
    }

    fn idle(&self) {
        let mut connections = self.service.lock();
        let ending = connections.ending;
        if let Some(connection) = connections.open.get_mut(&self.number) {
            connection.idle_since = Some(Instant::now());
            if ending {
                let _ = connection.stream.shutdown(Shutdown::Read);
            }
        }
        // Somebody waits only for room, or for the end; to wake nobody is a system call all the same.
        let is_awaited = ending || connections.open.len() >= CONNECTIONS_MAX;
        drop(connections);
        if is_awaited {
            self.service.changed.notify_all();
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Happened {
    Connection,
    End,
    Nothing,
}

/// Waits for a connection or for one of `ends`; without a listener, only looks at `ends`.
fn wait(listener: Option<BorrowedFd<'_>>, ends: &[BorrowedFd<'_>]) -> io::Result<Happened> {
    let timeout = if listener.is_some() { PollTimeout::NONE } else { PollTimeout::ZERO };
    let mut fds: Vec<PollFd<'_>> =
        ends.iter().copied().chain(listener).map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
    loop {
        match poll(&mut fds, timeout) {
            Ok(_) => break,
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let has_event = |fd: &PollFd<'_>| fd.revents().is_some_and(|events| !events.is_empty());
    if fds.iter().take(ends.len()).any(has_event) {
        return Ok(Happened::End);
    }
    Ok(if fds.iter().any(has_event) { Happened::Connection } else { Happened::Nothing })
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
