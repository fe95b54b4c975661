//! A disk that forgets what was not synced, and stops after the nth call. For tests of this crate and of those above
//! it.
//!
//! It keeps what a running system sees (`now`) apart from what is on stable storage. A file's bytes become stable
//! with `sync`, a directory's names with `sync_directory`, and only then. [`SimulatedDisk::crash`] makes of both what
//! a restart finds: of everything that was not synced, nothing, all of it, or any part in any order, as real file
//! systems may.

mod order;
mod steps;

use crate::disk::Stat;
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What survives of the changes that were not synced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Survives {
    /// None of them.
    Nothing,
    /// All of them.
    Everything,
    /// Some, chosen by this number: each name and each file for itself.
    Some(u64),
}

/// A disk in memory. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct SimulatedDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Clone, Debug, Default)]
struct State {
    files: BTreeMap<u64, Content>,
    directories: BTreeMap<String, Directory>,
    open: BTreeMap<u64, usize>,
    calls: u64,
    stop_after: Option<u64>,
    no_unnamed: bool,
    claims_order: bool,
    /// On a disk that keeps order: what each moment since the last sync would leave.
    moments: Option<Vec<order::Moment>>,
    syncs: Calls,
    write_outs: Calls,
    rounds: u64,
    clock: i64,
}

/// Calls of a kind, one of which may be made to do nothing.
#[derive(Clone, Copy, Debug, Default)]
struct Calls {
    count: u64,
    left_out: Option<u64>,
}

impl Calls {
    fn is_left_out(&mut self) -> bool {
        let this = self.count;
        self.count = this.saturating_add(1);
        self.left_out == Some(this)
    }
}

#[derive(Clone, Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    modified: i64,
    out: Option<(Vec<u8>, i64)>,
    stable: Option<(Vec<u8>, i64)>,
}

/// Names, and for each what it stood for since the last sync.
#[derive(Clone, Debug, Default)]
struct Directory {
    now: BTreeMap<String, u64>,
    stable: BTreeMap<String, u64>,
    since: BTreeMap<String, Vec<Option<u64>>>,
}

/// An open file.
#[derive(Debug)]
pub struct SimulatedFile {
    inode: u64,
    disk: SimulatedDisk,
}

impl Drop for SimulatedFile {
    fn drop(&mut self) {
        let mut state = self.disk.lock();
        let left = state.open.get(&self.inode).map_or(0, |n| n.saturating_sub(1));
        if left == 0 {
            state.open.remove(&self.inode);
            state.forget_unnamed(self.inode);
        } else {
            state.open.insert(self.inode, left);
        }
    }
}

impl SimulatedDisk {
    /// A disk with an empty queue of that split.
    pub fn with_queue(split: u64) -> Self {
        let disk = Self::default();
        let flat = ["pid", "mess", "intd", "todo", "info", "local", "remote", "bounce", "lock"];
        let mut state = disk.lock();
        let hashed = ["mess", "info", "local", "remote"];
        let directories = hashed.iter().flat_map(|d| (0..split).map(move |n| format!("{d}/{n}")));
        for name in flat.iter().map(|d| (*d).to_owned()).chain(directories) {
            state.directories.insert(name, Directory::default());
        }
        drop(state);
        disk
    }

    /// The same with `todo` and `intd` hashed.
    pub fn with_big_todo(self, split: u64) -> Self {
        for name in (0..split).flat_map(|n| [format!("todo/{n}"), format!("intd/{n}")]) {
            self.lock().directories.insert(name, Directory::default());
        }
        self
    }

    /// From now on there are no files without names, as on old file systems.
    pub fn without_unnamed(self) -> Self {
        self.lock().no_unnamed = true;
        self
    }

    /// From now on changes become durable in the order in which they are made.
    pub fn keeping_order(self) -> Self {
        let mut state = self.lock();
        (state.claims_order, state.moments) = (true, Some(Vec::new()));
        state.commit();
        drop(state);
        self
    }

    /// From now on it says that it keeps order, and does not.
    pub fn claiming_order(self) -> Self {
        self.lock().claims_order = true;
        self
    }

    /// The nth sync from the beginning will do nothing, and say that it was done.
    pub fn without_sync(self, n: u64) -> Self {
        self.lock().syncs.left_out = Some(n);
        self
    }

    /// The same of the nth write-out.
    pub fn without_write_out(self, n: u64) -> Self {
        self.lock().write_outs.left_out = Some(n);
        self
    }

    /// How many syncs there were.
    pub fn syncs(&self) -> u64 {
        self.lock().syncs.count
    }

    /// How often somebody waited for syncs; those that are made together are one round.
    pub fn rounds(&self) -> u64 {
        self.lock().rounds
    }

    /// Lets `calls` more calls through and fails all that follow, as a machine that has stopped.
    pub fn stop_after(&self, calls: u64) {
        let mut state = self.lock();
        (state.calls, state.stop_after) = (0, Some(calls));
    }

    /// How many calls there were since [`SimulatedDisk::stop_after`].
    pub fn calls(&self) -> u64 {
        self.lock().calls
    }

    /// What the next start finds. The disk itself is left as it is.
    pub fn crash(&self, survives: Survives) -> Self {
        let mut state = self.lock().clone();
        let mut dice = match survives {
            Survives::Some(seed) => seed,
            Survives::Nothing | Survives::Everything => 0,
        };
        let went_back = state.go_back(survives, &mut dice);
        for directory in state.directories.values_mut().filter(|_| !went_back) {
            let mut names = directory.stable.clone();
            for (name, history) in &directory.since {
                let last = match survives {
                    Survives::Nothing => None,
                    Survives::Everything => history.last(),
                    Survives::Some(_) => pick(history, &mut dice),
                };
                match last {
                    None => {}
                    Some(Some(inode)) => drop(names.insert(name.clone(), *inode)),
                    Some(None) => drop(names.remove(name)),
                }
            }
            *directory = Directory { now: names.clone(), stable: names, since: BTreeMap::new() };
        }
        for file in state.files.values_mut() {
            let stable = file.stable.clone().unwrap_or_default();
            let keep = match survives {
                Survives::Nothing => 0,
                Survives::Everything => 2,
                Survives::Some(_) => roll(&mut dice) % 3,
            };
            match keep {
                0 => (file.bytes, file.modified) = stable,
                // Part of what came later, the rest noughts, as after delayed allocation.
                1 => {
                    let whole = file.bytes.len();
                    let kept = stable.0.len().max(whole / 2);
                    file.bytes.iter_mut().skip(kept).for_each(|byte| *byte = 0);
                }
                _ => {}
            }
            file.stable = Some((file.bytes.clone(), file.modified));
            file.out.clone_from(&file.stable);
        }
        let named: BTreeSet<u64> = state.directories.values().flat_map(|d| d.now.values().copied()).collect();
        state.files.retain(|inode, _| named.contains(inode));
        state.open.clear();
        (state.calls, state.stop_after) = (0, None);
        state.commit();
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// The bytes of a file, to look at.
    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.lock();
        let inode = state.lookup(name).ok()?;
        state.files.get(&inode).map(|file| file.bytes.clone())
    }

    /// The names in a directory, to look at.
    pub fn list(&self, directory: &str) -> Vec<String> {
        self.lock().directories.get(directory).map(|d| d.now.keys().cloned().collect()).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every call begins here.
    fn step(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.lock();
        state.calls = state.calls.saturating_add(1);
        if state.stop_after.is_some_and(|last| state.calls > last) {
            return Err(io::Error::other("the machine has stopped"));
        }
        Ok(state)
    }

    fn file(&self, state: &mut State, inode: u64) -> SimulatedFile {
        let count = state.open.get(&inode).map_or(1, |n| n.saturating_add(1));
        state.open.insert(inode, count);
        SimulatedFile { inode, disk: self.clone() }
    }
}

impl State {
    /// The smallest free number, so that numbers come back soon.
    fn new_inode(&mut self) -> u64 {
        let inode = (1..).find(|n| !self.files.contains_key(n)).unwrap_or(0);
        self.files.insert(inode, Content { modified: self.clock, ..Content::default() });
        inode
    }

    fn directory(&mut self, name: &str) -> io::Result<(&mut Directory, String)> {
        let (directory, file) = name.rsplit_once('/').unwrap_or((".", name));
        let found = self.directories.get_mut(directory).ok_or(io::ErrorKind::NotFound)?;
        Ok((found, file.to_owned()))
    }

    fn lookup(&self, name: &str) -> io::Result<u64> {
        let (directory, file) = name.rsplit_once('/').unwrap_or((".", name));
        let directory = self.directories.get(directory).ok_or(io::ErrorKind::NotFound)?;
        directory.now.get(file).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn add(&mut self, name: &str, inode: u64) -> io::Result<()> {
        let (directory, file) = self.directory(name)?;
        if directory.now.contains_key(&file) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        directory.since.entry(file.clone()).or_default().push(Some(inode));
        directory.now.insert(file, inode);
        self.remember();
        Ok(())
    }

    fn remove(&mut self, name: &str) -> io::Result<u64> {
        let (directory, file) = self.directory(name)?;
        let inode = directory.now.remove(&file).ok_or(io::ErrorKind::NotFound)?;
        directory.since.entry(file).or_default().push(None);
        self.remember();
        Ok(inode)
    }

    /// A number is free when no name, now or after a crash, and no open file stands for it.
    fn forget_unnamed(&mut self, inode: u64) {
        let named = self.directories.values().any(|d| {
            let unsynced = d.since.values().flatten().flatten();
            d.now.values().chain(d.stable.values()).chain(unsynced).any(|n| *n == inode)
        });
        if !named && !self.open.contains_key(&inode) {
            self.files.remove(&inode);
        }
    }

    fn content(&mut self, inode: u64) -> io::Result<&mut Content> {
        self.files.get_mut(&inode).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn stat(&self, inode: u64) -> io::Result<Stat> {
        let file = self.files.get(&inode).ok_or(io::ErrorKind::NotFound)?;
        Ok(Stat {
            inode,
            size_bytes: file.bytes.len() as u64,
            accessed: file.modified,
            modified: file.modified,
            changed: file.modified,
            uid: 0,
            is_file: true,
        })
    }
}

/// One of the states that a name went through, or none of them.
fn pick<'a>(history: &'a [Option<u64>], dice: &mut u64) -> Option<&'a Option<u64>> {
    let choices = (history.len() as u64).saturating_add(1);
    let choice = roll(dice).checked_rem(choices).and_then(|n| usize::try_from(n).ok())?;
    choice.checked_sub(1).and_then(|n| history.get(n))
}

/// splitmix64: the same choices for the same seed.
fn roll(dice: &mut u64) -> u64 {
    *dice = dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *dice;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
