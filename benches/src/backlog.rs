//! How new mail flows while much mail waits for its next attempt; and what the waiting mail costs.

use crate::case::Case;
use crate::load::maildirs;
use crate::measure::memory;
use crate::measure::statistics::median;
use crate::moment::Moment;
use crate::mta::{AWAY, Mta, Routes, quail};
use crate::run::{self, Ends};
use crate::terminal::say;
use anyhow::{Context, Result};
use quail_tests::World;
use std::fs::{self, File, FileTimes};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// How far in the future the next attempts are.
const LATER: Duration = Duration::from_secs(3600);

/// As many directories as mess, info, local and remote have.
const SPLIT: u64 = 23;

/// Files of a waiting message: in `mess`, `info` and `remote`.
const FILES: u64 = 3;

/// Bytes of the disk for a waiting message: a block and an inode for each of its files, and their names.
const BYTES: u64 = FILES * (4096 + 256 + 64);

/// Room for everything else that is measured.
const ROOM: u64 = 4 << 30;

/// How many threads fill a queue.
const FILLERS: u64 = 4;

/// It has read the queue when its memory has not grown for that long.
const READING: Duration = Duration::from_secs(5);

/// At most that long is waited for it.
const READING_MAX: u32 = 24;

/// What it is called.
pub fn name(waiting: u64) -> String {
    format!("{waiting} deferred messages waiting")
}

/// Why that many cannot wait on the disk of that directory; nothing when they can.
pub fn why_not(disk: &Path, waiting: u64) -> Result<Option<String>> {
    let found = nix::sys::statvfs::statvfs(disk)?;
    let free = found.blocks_available().saturating_mul(found.fragment_size());
    let (bytes, files) = (waiting.saturating_mul(BYTES).saturating_add(ROOM), waiting.saturating_mul(FILES));
    // Some file systems have no fixed number of files.
    let has_files = found.files() == 0 || found.files_available() > files;
    Ok((free < bytes || !has_files).then(|| {
        format!(
            "{} need {} GiB and {files} files, and there are {} GiB and {} files free",
            name(waiting),
            bytes >> 30,
            free >> 30,
            found.files_available()
        )
    }))
}

/// What was found with that many messages waiting.
#[derive(Clone, Debug)]
pub struct Backlog {
    /// Deferred messages in the queue.
    pub waiting: u64,
    /// Seconds from the start of the system to the first new message in a Maildir.
    pub first_delivery: f64,
    /// Messages a second while they wait.
    pub with: f64,
    /// Messages a second in the same rounds with an empty queue.
    pub without: f64,
    /// Bytes of qmail-send for one of them.
    pub bytes_a_message: f64,
}

/// Measures it: two systems, one with an empty queue, take turns.
///
/// `fresh` is what a qmail-send with an empty queue has in bytes, just started.
pub fn measure(
    empty: &Mta,
    fresh: u64,
    routes: Routes,
    waiting: u64,
    rounds: usize,
    first: &mut u64,
) -> Result<Backlog> {
    say(&format!("== {}", name(waiting)));
    let filled = Moment::now();
    let full = quail::start_with("Quail-full", routes, move |world| fill(world, waiting))?;
    say(&format!("   filled and started in {:.0} s", Moment::now().seconds_since(filled)));
    let case = Case::main_maildir();
    let mut ends = Ends::of_maildirs();
    for mta in [empty, &full] {
        ends.maildirs.insert(mta.facts.name, maildirs::watch(&mta.facts.maildirs)?);
    }
    let one = Case { messages: 1, sessions: 1, ..case.clone() };
    let began = full.group.oldest().context("the system runs")?;
    let mut once = |mta: &Mta, case: &Case| {
        let measured = run::once(mta, case, &ends, *first);
        *first += case.messages;
        measured
    };
    once(&full, &one)?;
    let first_delivery = Moment::now().seconds_since(began);
    let own = memory_at_rest(&full);
    let bytes_a_message = (float(own) - float(fresh)) / float(waiting);
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        nix::unistd::sync();
        without.push(once(empty, &case)?.rate);
        nix::unistd::sync();
        with.push(once(&full, &case)?.rate);
    }
    let found =
        Backlog { waiting, first_delivery, with: median(&with), without: median(&without), bytes_a_message };
    say(&format!(
        "   first delivery after {:.2} s, {:.0} msg/s beside {:.0} with an empty queue, {:.0} bytes a message",
        found.first_delivery, found.with, found.without, found.bytes_a_message
    ));
    Ok(found)
}

/// What qmail-send has when it has read its queue.
fn memory_at_rest(mta: &Mta) -> u64 {
    let mut last = 0;
    for _ in 0..READING_MAX {
        std::thread::park_timeout(READING);
        let now = memory::anonymous(&mta.group.processes(), "qmail-send");
        if now <= last {
            return now;
        }
        last = now;
    }
    last
}

fn float(number: u64) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

/// Puts deferred messages into a queue that nobody uses yet, as qmail-send leaves them: each waits for one remote
/// recipient, and the time of its `remote` file is the time of its next attempt.
fn fill(world: &World, count: u64) -> Result<()> {
    world.own_all();
    let queue = world.home().join("queue");
    let owner = |name: &str| fs::metadata(queue.join(name)).map(|m| (m.uid(), m.gid()));
    let (of_mess, of_info) = (owner("mess")?, owner("info")?);
    let part = |first: u64| -> Result<()> {
        let new = queue.join(format!("pid/new{first}"));
        (first..count)
            .step_by(usize::try_from(FILLERS)?)
            .try_for_each(|n| defer(&queue, &new, n, of_mess, of_info))
    };
    std::thread::scope(|scope| {
        let part = &part;
        let all: Vec<_> = (0..FILLERS).map(|first| scope.spawn(move || part(first))).collect();
        all.into_iter().try_for_each(|t| t.join().unwrap_or_else(|_| anyhow::bail!("a thread ended")))
    })?;
    // What was written is not to be written while figures are taken.
    nix::unistd::sync();
    Ok(())
}

/// One deferred message; `new` is a name for its file until it has one.
fn defer(queue: &Path, new: &Path, number: u64, of_mess: (u32, u32), of_info: (u32, u32)) -> Result<()> {
    let later = FileTimes::new().set_modified(SystemTime::now() + LATER);
    let id = make(new, b"Subject: waiting\n\nIt waits.\n", of_mess, 0o644)?.metadata()?.ino();
    let place = |kind: &str| queue.join(format!("{kind}/{}/{id}", id % SPLIT));
    fs::rename(new, place("mess"))?;
    make(&place("info"), b"Fsender@client.example\0", of_info, 0o600)?;
    let recipient = format!("Twaiting{number}@{AWAY}\0");
    Ok(make(&place("remote"), recipient.as_bytes(), of_info, 0o600)?.set_times(later)?)
}

fn make(path: &Path, content: &[u8], owner: (u32, u32), mode: u32) -> Result<File> {
    let mut options = File::options();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .with_context(|| format!("cannot make {}", path.display()))?;
    file.write_all(content)?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    fchown(&file, Some(owner.0), Some(owner.1))?;
    Ok(file)
}
