//! What the machine can do without any mail server: the bare file operations of a message, syncs, connections.

use crate::moment::Moment;
use anyhow::{Context, Result};
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag};
use std::fs::{File, OpenOptions};
use std::io::Write;
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
}

/// Tries each of them for that long, on the disk of that directory.
pub fn measure(disk: &Path, time: Duration) -> Result<Vec<Limit>> {
    let scratch = tempfile::Builder::new().prefix("limits-").tempdir_in(disk)?;
    let mut limits = Vec::new();
    for threads in [1, 10, 50] {
        let place = Place::new(&scratch.path().join(format!("cycle{threads}")))?;
        let rate = repeat(threads, time, |number| place.cycle(number))?;
        let what = format!("durable message cycles (queue and Maildir, every sync), threads: {threads}");
        limits.push(Limit { what, rate });
    }
    for threads in [1, 10, 50] {
        let rate = repeat(threads, time, |number| {
            let path = scratch.path().join(format!("sync{threads}-{number}"));
            let mut file = File::create(&path)?;
            file.write_all(&[b'x'; SIZE])?;
            file.sync_all()?;
            Ok(std::fs::remove_file(path)?)
        })?;
        limits.push(Limit { what: format!("create, write 1 KiB, fsync, unlink, threads: {threads}"), rate });
    }
    let rate = connections(time)?;
    limits.push(Limit { what: "connections over loopback, one after the other".to_owned(), rate });
    Ok(limits)
}

/// Runs `work` on some threads until the time is over; gives how often a second.
fn repeat(threads: usize, time: Duration, work: impl Fn(u64) -> Result<()> + Sync) -> Result<f64> {
    let counter = AtomicU64::new(0);
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
    let done = u32::try_from(counter.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
    Ok(f64::from(done) / Moment::now().seconds_since(start))
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

fn connections(time: Duration) -> Result<f64> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || while listener.accept().is_ok() {});
    repeat(1, time, |_| Ok(drop(TcpStream::connect(address)?)))
}
