//! What the machine can do without any mail server: the bare file operations of a message, syncs, connections.

use crate::moment::Moment;
use anyhow::{Context, Result};
use contracts::hand_off;
use message::received::InvokedBy;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use queue::Queue;
use queue::disk::Disk;
use queue::incoming::{Caller, Qp};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Bytes of a message.
const SIZE: usize = 1024;

/// One limit.
#[derive(Clone, Debug)]
pub struct Limit {
    /// What is done.
    pub what: String,
    /// How often a second.
    pub rate: f64,
    /// Processor seconds for 1,000, in the process that does it.
    pub cpu: f64,
}

/// The durable work of a message with ten at once: what the budget compares with.
pub const CYCLE: &str = "durable message cycles (queue and Maildir, every sync), 10 threads";

/// Tries each of them for that long, on the disk of that directory.
pub fn measure(disk: &Path, time: Duration) -> Result<Vec<Limit>> {
    let scratch = tempfile::Builder::new().prefix("limits-").tempdir_in(disk)?;
    let mut limits = Vec::new();
    for threads in [1, 10, 50] {
        let place = Place::new(&scratch.path().join(format!("cycle{threads}")))?;
        let what = format!("durable message cycles (queue and Maildir, every sync), {threads} threads");
        limits.push(repeat(what, threads, time, |number| place.cycle(number))?);
    }
    for threads in [1, 10, 50] {
        let queue = OwnQueue::new(&scratch.path().join(format!("queue{threads}")))?;
        let what = format!("our queue alone: a message accepted and removed, {threads} threads");
        limits.push(repeat(what, threads, time, |_| queue.cycle())?);
    }
    for threads in [1, 10, 50] {
        let what = format!("create, write 1 KiB, fsync, unlink, {threads} threads");
        limits.push(repeat(what, threads, time, |number| {
            let path = scratch.path().join(format!("sync{threads}-{number}"));
            let mut file = File::create(&path)?;
            file.write_all(&[b'x'; SIZE])?;
            file.sync_all()?;
            Ok(std::fs::remove_file(path)?)
        })?);
    }
    limits.push(connections(time)?);
    Ok(limits)
}

/// Runs `work` on some threads until the time is over.
fn repeat(
    what: String,
    threads: usize,
    time: Duration,
    work: impl Fn(u64) -> Result<()> + Sync,
) -> Result<Limit> {
    let counter = AtomicU64::new(0);
    let cpu = processor_seconds()?;
    let start = Moment::now();
    let end = start.after(time);
    std::thread::scope(|scope| {
        let run = || -> Result<()> {
            while Moment::now() < end {
                work(counter.fetch_add(1, Ordering::Relaxed))?;
            }
            Ok(())
        };
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        all.into_iter().try_for_each(|t| t.join().unwrap_or_else(|_| anyhow::bail!("a thread ended")))
    })?;
    let done = f64::from(u32::try_from(counter.load(Ordering::Relaxed)).unwrap_or(u32::MAX));
    let rate = done / Moment::now().seconds_since(start);
    Ok(Limit { what, rate, cpu: (processor_seconds()? - cpu) * 1000.0 / done.max(1.0) })
}

fn processor_seconds() -> Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let used = usage.user_time() + usage.system_time();
    Ok(Duration::from_micros(u64::try_from(used.num_microseconds())?).as_secs_f64())
}

/// Directories as a message passes through them.
struct Place {
    mess: PathBuf,
    todo: PathBuf,
    new: PathBuf,
}

/// As many directories as the queue has.
const SPLIT: u64 = 23;

impl Place {
    fn new(top: &Path) -> Result<Self> {
        let place = Self { mess: top.join("mess"), todo: top.join("todo"), new: top.join("new") };
        for number in 0..SPLIT {
            std::fs::create_dir_all(place.mess.join(number.to_string()))?;
        }
        std::fs::create_dir(&place.todo)?;
        std::fs::create_dir(&place.new)?;
        Ok(place)
    }

    /// What a message with one local recipient costs the disk: each step durable before the next, as the queue's are.
    fn cycle(&self, number: u64) -> Result<()> {
        let split = self.mess.join((number % SPLIT).to_string());
        let name = number.to_string();
        let message = unnamed(&self.mess, SIZE)?;
        let envelope = unnamed(&self.todo, 64)?;
        message.sync_all()?;
        envelope.sync_all()?;
        give_name(&message, &split.join(&name))?;
        sync(&split)?;
        give_name(&envelope, &self.todo.join(&name))?;
        sync(&self.todo)?;
        let delivered = unnamed(&self.new, SIZE)?;
        delivered.sync_all()?;
        give_name(&delivered, &self.new.join(&name))?;
        sync(&self.new)?;
        std::fs::remove_file(self.todo.join(&name))?;
        Ok(std::fs::remove_file(split.join(&name))?)
    }
}

/// A queue of ours that nobody else uses.
struct OwnQueue {
    queue: Queue,
    envelope: Vec<u8>,
}

impl OwnQueue {
    fn new(home: &Path) -> Result<Self> {
        for directory in ["todo", "intd", "pid"] {
            std::fs::create_dir_all(home.join("queue").join(directory))?;
        }
        for number in 0..SPLIT {
            std::fs::create_dir_all(home.join("queue/mess").join(number.to_string()))?;
        }
        let envelope = hand_off::encode(b"s@there.example", [&b"r@away.example"[..]]);
        Ok(Self { queue: Queue::open_with_threads(home)?, envelope })
    }

    /// What a message costs us that is accepted, and delivered without a file: no process, no connection, no log.
    fn cycle(&self) -> Result<()> {
        let caller = Caller { uid: 0, by: InvokedBy::Uid(0), now: 0, qp: Qp::QueueId, keep_intd: false };
        let id = self.queue.enqueue(&caller, &mut &[b'x'; SIZE][..], &mut &*self.envelope)?;
        let (disk, layout) = (self.queue.disk(), self.queue.layout());
        disk.unlink(&layout.envelope(id))?;
        Ok(disk.unlink(&layout.message(id))?)
    }
}

fn unnamed(directory: &Path, size: usize) -> Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o644).custom_flags(OFlag::O_TMPFILE.bits());
    let mut file = options.open(directory).context("this file system has no unnamed files")?;
    file.write_all(&vec![b'x'; size])?;
    Ok(file)
}

fn give_name(file: &File, path: &Path) -> Result<()> {
    let own = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(nix::unistd::linkat(AT_FDCWD, own.as_str(), AT_FDCWD, path, AtFlags::AT_SYMLINK_FOLLOW)?)
}

fn sync(directory: &Path) -> Result<()> {
    Ok(File::open(directory)?.sync_all()?)
}

fn connections(time: Duration) -> Result<Limit> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || while listener.accept().is_ok() {});
    let what = "connections over loopback, one after the other".to_owned();
    repeat(what, 1, time, |_| {
        // The other end closes at once: that it has done so is read, or connections would pile up before it.
        let _ = TcpStream::connect(address)?.read(&mut [0])?;
        Ok(())
    })
}
