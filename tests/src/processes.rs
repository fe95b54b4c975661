//! Which processes an installation has, and whether any were started while something happened.
//!
//! Two things are compared: the set of processes, and how many page faults the ended children of each have had
//! (`cminflt` in proc(5)). A child that came and went in between has had some, and whoever waited for it shows them. So
//! neither a short life nor a lack of privilege hides a fork, and no tool is needed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How the processes of an installation are known.
#[derive(Clone, Debug)]
pub enum Mark {
    /// `QUAIL_HOME` in their environment.
    Home(PathBuf),
    /// Their mount name space.
    Space(PathBuf),
}

/// What is remembered of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its name, as ps(1) shows it.
    pub name: String,
    /// Page faults of its children that have ended and were waited for.
    pub children_faults: u64,
}

/// The processes with this mark.
pub fn of(mark: &Mark) -> BTreeMap<i32, Seen> {
    let entries = Path::new("/proc").read_dir().expect("/proc").filter_map(Result::ok);
    entries
        .filter_map(|entry| {
            let pid = entry.file_name().to_string_lossy().parse::<i32>().ok()?;
            let path = entry.path();
            let is_ours = match mark {
                Mark::Home(home) => {
                    let wanted = format!("QUAIL_HOME={}", home.display()).into_bytes();
                    std::fs::read(path.join("environ")).ok()?.split(|&b| b == 0).any(|v| v == wanted)
                }
                Mark::Space(space) => {
                    &std::fs::read_link(path.join("ns/mnt")).ok()? == space && pid != own_pid()
                }
            };
            (is_ours).then(|| Some((pid, look(&path)?))).flatten()
        })
        .collect()
}

fn own_pid() -> i32 {
    nix::unistd::getpid().as_raw()
}

fn look(process: &Path) -> Option<Seen> {
    let stat = std::fs::read_to_string(process.join("stat")).ok()?;
    // The name stands in parentheses and may hold anything, even parentheses.
    let (head, tail) = stat.rsplit_once(')')?;
    let name = head.split_once('(')?.1.to_owned();
    let mut fields = tail.split_whitespace();
    let is_dead = fields.next()? == "Z";
    let children_faults = fields.nth(7)?.parse().ok()?;
    (!is_dead).then_some(Seen { name, children_faults })
}

/// What changed between two looks; empty when no process was started or ended.
pub fn changes(before: &BTreeMap<i32, Seen>, after: &BTreeMap<i32, Seen>) -> Vec<String> {
    let gone = before
        .iter()
        .filter(|(pid, _)| !after.contains_key(pid))
        .map(|(pid, s)| format!("{} {pid} ended", s.name));
    let here = after.iter().filter_map(|(pid, s)| match before.get(pid) {
        None => Some(format!("{} {pid} was started", s.name)),
        Some(old) if old.children_faults != s.children_faults => {
            Some(format!("{} {pid} had children", s.name))
        }
        Some(_) => None,
    });
    gone.chain(here).collect()
}
