//! Jobs for the threads, and what comes back.
//!
//! Four kinds, so that none waits for a slower one: what reads and marks, what must be synced (in batches that share
//! their syncs), walks over directories, and bounces. The machine waits for each answer before it asks for the next
//! step of a message, so jobs need no order among themselves.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use address::route::Routing;
use nix::sys::eventfd::{EfdFlags, EventFd};
use queue::preprocessed::Preprocessed;
use queue::{Layout, Queue, QueueId};
use schedule::{Channel, Event, Failure, Seconds};
use telemetry::Line;

use crate::arrivals::New;
use crate::pool::Pool;
use crate::scans::Walks;
use crate::settings::Settings;
use crate::{arrivals, endings, recipients};

/// Threads that read and mark.
const QUICK_THREADS: usize = 2;
/// Threads that sync.
const SYNC_THREADS: usize = 2;
/// Bounces on their way at the same time.
const BOUNCE_THREADS: usize = 4;
/// Jobs that share their syncs.
const SYNC_BATCH: usize = 256;
/// Jobs that one thread takes at a time, where nothing is shared.
const QUICK_BATCH: usize = 16;

/// Work that reads, or writes without syncing.
#[derive(Debug)]
pub(crate) enum Quick {
    ReadTodo(New, Arc<Routing>),
    Open {
        id: QueueId,
        channel: Channel,
        offset: u64,
    },
    /// Several recipients of one file.
    Mark {
        id: QueueId,
        channel: Channel,
        offsets: Vec<u64>,
    },
    CloseChannel(QueueId, Channel),
    Bury(QueueId),
    Examine(QueueId),
    SetAside(QueueId),
}

/// Work that must be on stable storage.
#[derive(Debug)]
pub(crate) enum Synced {
    /// A message with many recipients or none, just read; its log lines.
    Preprocess { message: Preprocessed, log: Vec<u8>, kind: Kind },
    /// A message that has been attempted.
    Settle(Preprocessed),
    /// A failure, to be written before the mark.
    Record { id: QueueId, channel: Channel, offset: u64, failure: Failure, routing: Arc<Routing> },
}

/// Walks.
#[derive(Debug)]
pub(crate) enum Walk {
    Todo { restart: bool },
    Info,
    Messages { restart: bool, now: Seconds },
    SaveTimes(Vec<(QueueId, Channel, Seconds)>),
}

/// A bounce to send.
#[derive(Debug)]
pub(crate) struct Bounce {
    pub(crate) id: QueueId,
    pub(crate) settings: Arc<Settings>,
    /// Counts the bounces of this process.
    pub(crate) sequence: u64,
    /// Seconds since 1970.
    pub(crate) now: Seconds,
}

/// What is special about a result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Plain,
    /// A message that looks like a bounce of ours has arrived.
    BounceArrived,
    /// A bounce job has ended.
    BounceSent(u64),
}

/// A result.
#[derive(Debug)]
pub(crate) struct Done {
    /// Lines to log before the event is handled.
    pub(crate) log: Vec<u8>,
    pub(crate) event: Event,
    pub(crate) kind: Kind,
}

/// Results on their way to the loop.
#[derive(Debug)]
pub(crate) struct Results {
    done: Mutex<Vec<Done>>,
    wake: EventFd,
    /// Something that had to be removed could not be.
    doubtful: AtomicBool,
}

impl Results {
    pub(crate) fn send(&self, log: Vec<u8>, event: Event) {
        self.send_as(Kind::Plain, log, event);
    }

    pub(crate) fn send_as(&self, kind: Kind, log: Vec<u8>, event: Event) {
        self.push(Done { log, event, kind });
    }

    pub(crate) fn push(&self, one: Done) {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let was_empty = done.is_empty();
        done.push(one);
        drop(done);
        if was_empty {
            let _ = self.wake.write(1);
        }
    }

    /// From now on files of S5 may stand beside any envelope.
    pub(crate) fn doubt(&self) {
        self.doubtful.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_doubtful(&self) -> bool {
        self.doubtful.load(Ordering::Relaxed)
    }

    /// Readable when there are results.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    /// Takes them all.
    pub(crate) fn take(&self) -> Vec<Done> {
        // The counter first: what is sent after it is taken now or wakes us again.
        let _ = self.wake.read();
        std::mem::take(&mut *self.done.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The threads.
pub(crate) struct Work {
    pub(crate) layout: Layout,
    /// The queue as far as it is in memory, for the loop itself.
    pub(crate) at_once: Queue,
    pub(crate) results: Arc<Results>,
    pub(crate) quick: Pool<Quick>,
    pub(crate) synced: Arc<Pool<Synced>>,
    pub(crate) walks: Pool<Walk>,
    pub(crate) bounces: Pool<Bounce>,
}

impl Work {
    pub(crate) fn new(home: PathBuf, queue: Queue) -> io::Result<Self> {
        let (layout, at_once, queue) = (queue.layout(), queue.at_once(), Arc::new(queue));
        let wake = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        let results = Arc::new(Results { done: Mutex::default(), wake, doubtful: AtomicBool::new(false) });

        let (on, to) = (Arc::clone(&queue), Arc::clone(&results));
        let synced = Arc::new(Pool::new("sync", SYNC_THREADS, SYNC_BATCH, move |jobs| sync(&on, &to, jobs)));

        let (on, to, more) = (Arc::clone(&queue), Arc::clone(&results), Arc::clone(&synced));
        let quick = Pool::new("quick", QUICK_THREADS, QUICK_BATCH, move |jobs: Vec<Quick>| {
            jobs.into_iter().for_each(|job| quick(&on, &to, &more, job));
        });

        let (on, to, walks) = (Arc::clone(&queue), Arc::clone(&results), Mutex::new(Walks::default()));
        let walks = Pool::new("walk", 1, 1, move |jobs: Vec<Walk>| {
            let mut walks = walks.lock().unwrap_or_else(PoisonError::into_inner);
            jobs.into_iter().for_each(|job| walks.step(&on, &to, job));
        });

        let (on, to) = (Arc::clone(&queue), Arc::clone(&results));
        let bounces = Pool::new("bounce", BOUNCE_THREADS, 1, move |jobs: Vec<Bounce>| {
            jobs.iter().for_each(|job| endings::bounce(&home, &on, &to, job));
        });
        Ok(Self { layout, at_once, results, quick, synced, walks, bounces })
    }
}

fn quick(queue: &Queue, results: &Results, synced: &Pool<Synced>, job: Quick) {
    match job {
        Quick::ReadTodo(new, routing) => arrivals::read_todo(queue, results, synced, new, &routing),
        Quick::Open { id, channel, offset } => recipients::open(queue, results, id, channel, offset),
        Quick::Mark { id, channel, offsets } => recipients::mark(queue, results, id, channel, &offsets),
        Quick::CloseChannel(id, channel) => recipients::close(queue, results, id, channel),
        Quick::Bury(id) => endings::bury(queue, results, id),
        Quick::SetAside(id) => {
            if queue.quarantine(id).is_err() {
                results.send(warning("unable to set aside ", &queue.layout().info(id), ""), Event::Tick);
            }
        }
        Quick::Examine(id) => {
            let mut log = Vec::new();
            let found = crate::scans::examine(queue, id, &mut log).into_iter().collect();
            results.send(log, Event::InfoFound { found, end: true });
        }
    }
}

/// A failure to be written down.
#[derive(Debug)]
pub(crate) struct NewFailure {
    pub(crate) channel: Channel,
    pub(crate) offset: u64,
    pub(crate) failure: Failure,
    pub(crate) routing: Arc<Routing>,
}

/// Everything that changes S4 to S5 shares its syncs, and so do the failures of one message.
fn sync(queue: &Queue, results: &Results, jobs: Vec<Synced>) {
    let (mut arriving, mut failures) = (Vec::new(), BTreeMap::<QueueId, Vec<_>>::new());
    for job in jobs {
        match job {
            Synced::Preprocess { message, log, kind } => arriving.push((message, Some((log, kind)))),
            Synced::Settle(message) => arriving.push((message, None)),
            Synced::Record { id, channel, offset, failure, routing } => {
                failures.entry(id).or_default().push(NewFailure { channel, offset, failure, routing });
            }
        }
    }
    arrivals::write(queue, results, arriving);
    for (id, failures) in failures {
        recipients::record_failures(queue, results, id, failures);
    }
}

/// One line by itself.
pub(crate) fn warning(before: &'static str, file: &str, after: &'static str) -> Vec<u8> {
    Line::Warning(before, file, after).to_bytes()
}

/// File times as the machine has them: before 1970 is 1970.
pub(crate) fn seconds(time: i64) -> Seconds {
    u64::try_from(time).unwrap_or(0)
}
