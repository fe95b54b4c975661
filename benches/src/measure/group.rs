//! The processes of one MTA, and the processor time they have used.
//!
//! A control group (version 2) counts all, whoever started and buried them. Where none can be made, the tree of
//! processes below what was started is counted: then an ended process counts only if its parent waited for it.

use crate::moment::Moment;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// One place for all moves of this process between groups.
static MOVES: Mutex<()> = Mutex::new(());

/// The kernel's clock ticks a second in /proc (USER_HZ, the same on all architectures).
const TICKS: f64 = 100.0;

/// How the names of groups begin; the process that made them follows.
const PREFIX: &str = "quail-bench-";

/// Processes that belong together.
#[derive(Debug)]
pub struct Group {
    directory: Option<PathBuf>,
    home: PathBuf,
    roots: Mutex<BTreeSet<i32>>,
}

impl Group {
    /// An empty one.
    pub fn new(name: &str) -> Self {
        let top = hierarchy();
        if let Some(top) = &top {
            bury_stale(top);
        }
        let home = top.as_ref().map(|top| top.join(own_group())).unwrap_or_default();
        let directory = top.map(|top| top.join(format!("{PREFIX}{}-{name}", std::process::id())));
        let directory = directory.filter(|d| fs::create_dir(d).is_ok() && d.join("cpu.stat").exists());
        Self { directory, home, roots: Mutex::default() }
    }

    /// Whether the kernel counts.
    pub fn is_exact(&self) -> bool {
        self.directory.is_some()
    }

    /// What this starts belongs to the group.
    pub fn around<T>(&self, start: impl FnOnce() -> T) -> T {
        let _alone = MOVES.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let before = children(own_pid());
        self.enter(self.directory.as_deref());
        let made = start();
        self.enter(Some(&self.home));
        let new = children(own_pid()).difference(&before).copied().collect::<Vec<_>>();
        self.roots.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend(new);
        made
    }

    fn enter(&self, group: Option<&Path>) {
        if self.directory.is_some()
            && let Some(group) = group
        {
            // Not to be counted apart is no reason to stop.
            let _ = fs::write(group.join("cgroup.procs"), own_pid().to_string());
        }
    }

    /// Those that live.
    pub fn processes(&self) -> Vec<i32> {
        if let Some(directory) = &self.directory {
            let text = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
            return text.lines().filter_map(|l| l.parse().ok()).collect();
        }
        let mut all: Vec<i32> =
            self.roots.lock().unwrap_or_else(std::sync::PoisonError::into_inner).iter().copied().collect();
        let mut next = 0;
        while let Some(&pid) = all.get(next) {
            next += 1;
            all.extend(children(pid));
        }
        all
    }

    /// When the oldest of its processes was started, to a hundredth of a second.
    pub fn oldest(&self) -> Option<Moment> {
        let ticks = self.processes().into_iter().filter_map(|pid| fields(pid)?.get(19)?.parse::<f64>().ok());
        let seconds = ticks.reduce(f64::min)? / TICKS;
        // The start is told in time since the machine's own start, which is where the monotonic clock begins too.
        Some(Moment::default().after(std::time::Duration::from_secs_f64(seconds)))
    }

    /// Seconds of processor time so far.
    pub fn cpu_seconds(&self) -> f64 {
        if let Some(directory) = &self.directory {
            let text = fs::read_to_string(directory.join("cpu.stat")).unwrap_or_default();
            let used = text.lines().find_map(|l| l.strip_prefix("usage_usec "));
            return used.and_then(|u| u.parse::<f64>().ok()).unwrap_or(0.0) / 1e6;
        }
        self.processes().into_iter().filter_map(ticks).sum::<f64>() / TICKS
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(directory) = &self.directory {
            // Its processes may take a moment to be gone.
            for _ in 0..500 {
                if fs::remove_dir(directory).is_ok() {
                    return;
                }
                std::thread::park_timeout(std::time::Duration::from_millis(10));
            }
        }
    }
}

/// Where control groups of version 2 are mounted.
fn hierarchy() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let line = mounts.lines().find(|l| l.split(' ').nth(2) == Some("cgroup2"))?;
    line.split(' ').nth(1).map(PathBuf::from)
}

/// Kills what an interrupted bench has left running: groups named after a process that is no more.
fn bury_stale(top: &Path) {
    for entry in fs::read_dir(top).into_iter().flatten().filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            let _ = fs::write(entry.path().join("cgroup.kill"), "1");
            let _ = fs::remove_dir(entry.path());
        }
    }
}

/// The group of this process, below the hierarchy.
fn own_group() -> String {
    let text = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let path = text.lines().find_map(|l| l.strip_prefix("0::/")).unwrap_or_default();
    path.to_owned()
}

fn own_pid() -> i32 {
    nix::unistd::getpid().as_raw()
}

fn children(parent: i32) -> BTreeSet<i32> {
    let tasks = fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().filter_map(Result::ok);
    let texts = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    texts.flat_map(|t| t.split_whitespace().filter_map(|p| p.parse().ok()).collect::<Vec<i32>>()).collect()
}

/// utime, stime, cutime and cstime of proc(5).
fn ticks(pid: i32) -> Option<f64> {
    let fields = fields(pid)?;
    Some(fields.iter().skip(11).take(4).filter_map(|f| f.parse::<f64>().ok()).sum())
}

/// The fields of proc(5)'s stat after the name.
fn fields(pid: i32) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(stat.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect())
}
