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
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// How far in the future the next attempts are.
const LATER: Duration = Duration::from_secs(3600);

/// As many directories as mess, info, local and remote have.
const SPLIT: u64 = 23;

/// How many messages wait, in turn.
pub const SIZES: [u64; 2] = [10_000, 100_000];

/// How long it has to read the queue before its memory is taken.
const READING: Duration = Duration::from_secs(5);

/// What it is called.
pub fn name(waiting: u64) -> String {
    format!("{waiting} deferred messages waiting")
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
    let full = quail::start_with("Quail-full", routes, move |world| fill(world, waiting))?;
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
    std::thread::park_timeout(READING);
    let own = memory::anonymous(&full.group.processes(), "qmail-send");
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
    let later = FileTimes::new().set_modified(SystemTime::now() + LATER);
    for number in 0..count {
        let new = queue.join("pid/new");
        make(&new, b"Subject: waiting\n\nIt waits.\n", of_mess, 0o644)?;
        let id = fs::metadata(&new)?.ino();
        let place = |kind: &str| queue.join(format!("{kind}/{}/{id}", id % SPLIT));
        fs::rename(&new, place("mess"))?;
        make(&place("info"), b"Fsender@client.example\0", of_info, 0o600)?;
        let recipient = format!("Twaiting{number}@{AWAY}\0");
        let file = make(&place("remote"), recipient.as_bytes(), of_info, 0o600)?;
        file.set_times(later)?;
    }
    Ok(())
}

fn make(path: &Path, content: &[u8], owner: (u32, u32), mode: u32) -> Result<File> {
    fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    chown(path, Some(owner.0), Some(owner.1))?;
    Ok(File::options().write(true).open(path)?)
}
