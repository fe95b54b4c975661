//! Which system calls an MTA makes for a message: counted by strace(1), in a run of its own, as it slows everything down.

use super::memory;
use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long strace may take to be at all processes.
const ATTACH: Duration = Duration::from_secs(10);

/// Calls of all processes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// All.
    pub total: u64,
    /// fsync, fdatasync and their like.
    pub syncs: u64,
    /// Processes started; threads are not.
    pub processes: u64,
    /// For each program and call: how often.
    pub by_program: BTreeMap<(String, String), u64>,
}

/// Counts the calls of these processes, and of all that they start, during `work`; nothing without strace.
pub fn count<T>(
    processes: &[i32],
    scratch: &Path,
    work: impl FnOnce() -> Result<T>,
) -> Result<Option<(Calls, T)>> {
    if Command::new("strace").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        return Ok(None);
    }
    let mut names: HashMap<i32, String> = processes.iter().map(|p| (*p, memory::name(*p))).collect();
    let file = scratch.join("calls");
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-s", "64", "-e", "signal=none", "-o"]).arg(&file);
    for pid in processes {
        command.args(["-p", &pid.to_string()]);
    }
    let mut strace =
        command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().context("cannot run strace")?;
    let result = wait_until_traced(&mut strace, processes).and_then(|()| work());
    let _ = kill(Pid::from_raw(i32::try_from(strace.id())?), Signal::SIGINT);
    strace.wait()?;
    let result = result?;
    let mut calls = Calls::default();
    let text = std::fs::read(&file)?;
    for line in String::from_utf8_lossy(&text).lines() {
        calls.add(line, &mut names);
    }
    std::fs::remove_file(file)?;
    Ok(Some((calls, result)))
}

fn wait_until_traced(strace: &mut Child, processes: &[i32]) -> Result<()> {
    let is_traced = |pid: &i32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        // Who is gone needs no tracer.
        !status.contains("TracerPid:\t0\n")
    };
    let end = crate::moment::Moment::now().after(ATTACH);
    while !processes.iter().all(is_traced) {
        if strace.try_wait()?.is_some() || crate::moment::Moment::now() > end {
            bail!("strace cannot attach to all processes");
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
    Ok(())
}

impl Calls {
    /// What was called most, for each of `messages`: program, call, how often.
    pub fn most(&self, count: usize, messages: usize) -> Vec<(String, String, f64)> {
        let mut all: Vec<_> = self.by_program.iter().collect();
        all.sort_by_key(|(_, times)| std::cmp::Reverse(**times));
        let of = |((program, call), times): (&(String, String), &u64)| {
            (program.clone(), call.clone(), per_message(*times, messages))
        };
        all.into_iter().take(count).map(of).collect()
    }

    /// One line: `PID name(arguments...`. What was interrupted is counted where it began.
    fn add(&mut self, line: &str, names: &mut HashMap<i32, String>) {
        let Some((pid, rest)) = line.split_once(' ') else { return };
        let (Ok(pid), Some((call, arguments))) = (pid.parse::<i32>(), rest.trim_start().split_once('('))
        else {
            return;
        };
        if !call.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return;
        }
        self.total += 1;
        match call {
            "fsync" | "fdatasync" | "sync_file_range" | "syncfs" | "sync" | "msync" => self.syncs += 1,
            "fork" | "vfork" => self.processes += 1,
            "clone" | "clone3" if !arguments.contains("CLONE_THREAD") => self.processes += 1,
            "execve" => {
                let name = arguments.split('"').nth(1).and_then(|path| path.rsplit('/').next());
                names.insert(pid, name.unwrap_or_default().to_owned());
            }
            _ => {}
        }
        // A thread that is gone cannot be asked for its name: the one it was made by is known from its clone.
        if let Some(child) = child(call, arguments)
            && let Some(name) = names.get(&pid).cloned()
        {
            names.entry(child).or_insert(name);
        }
        let program = names.entry(pid).or_insert_with(|| memory::name(pid)).clone();
        *self.by_program.entry((program, call.to_owned())).or_default() += 1;
    }
}

/// The process or thread that a call has made.
fn child(call: &str, arguments: &str) -> Option<i32> {
    if !matches!(call, "clone" | "clone3" | "fork" | "vfork") {
        return None;
    }
    let (_, result) = arguments.rsplit_once(" = ")?;
    result.split_whitespace().next()?.parse().ok()
}

/// A count as a share of that many messages.
#[must_use]
pub fn per_message(count: u64, messages: usize) -> f64 {
    let float = |n: u64| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    float(count) / float(u64::try_from(messages).unwrap_or(u64::MAX)).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::Calls;
    use std::collections::HashMap;

    #[test]
    fn lines_of_strace_are_understood() {
        let mut names = HashMap::from([(7, "a".to_owned()), (8, "b".to_owned())]);
        let mut calls = Calls::default();
        for line in [
            "7  fsync(3) = 0",
            "7  fdatasync(3 <unfinished ...>",
            "7  <... fdatasync resumed>) = 0",
            "7  clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|SIGCHLD) = 8",
            "7  clone3({flags=CLONE_VM|CLONE_THREAD}, 88) = 9",
            "8  execve(\"/bin/cat\", [\"cat\"], 0x7) = 0",
            "8  +++ exited with 0 +++",
            "8  --- SIGCHLD {si_signo=SIGCHLD} ---",
        ] {
            calls.add(line, &mut names);
        }
        assert_eq!((calls.total, calls.syncs, calls.processes), (5, 2, 1));
        assert_eq!(calls.by_program.get(&("cat".to_owned(), "execve".to_owned())), Some(&1));
    }
}
