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
    /// fsync and fdatasync.
    pub syncs: u64,
    /// What is like them: `sync_file_range`, syncfs, sync, msync.
    pub other_syncs: u64,
    /// Processes started; threads are not.
    pub processes: u64,
    /// For each program and call: how often.
    pub by_program: BTreeMap<(String, String), u64>,
}

/// What every strace here is told.
const ARGUMENTS: [&str; 6] = ["-f", "-qq", "-s", "64", "-e", "signal=none"];

/// The name of this program itself, whose calls are nobody's, where it starts those of local users.
const OWN: &str = "quail-bench";

/// The same command under strace, which writes to `file`.
pub fn traced(command: &Command, file: &Path) -> Command {
    let mut strace = Command::new("strace");
    strace.args(ARGUMENTS).arg("-o").arg(file).arg(command.get_program()).args(command.get_args());
    strace.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    // To be found itself.
    strace.envs(std::env::var_os("PATH").map(|path| ("PATH", path))).current_dir("/");
    strace
}

/// Counts the calls of these processes, and of all that they start, during `work`; nothing without strace. `work` may have
/// the calls of others, that it starts itself, written to the file it is told.
pub fn count<T>(
    processes: &[i32],
    scratch: &Path,
    work: impl FnOnce(&Path) -> Result<T>,
) -> Result<Option<(Calls, T)>> {
    if Command::new("strace").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        return Ok(None);
    }
    let names = processes.iter().map(|p| (*p, memory::name(*p))).collect();
    let others = scratch.join("others");
    let file = scratch.join("calls");
    let mut command = Command::new("strace");
    command.args(ARGUMENTS).arg("-o").arg(&file);
    for pid in processes {
        command.args(["-p", &pid.to_string()]);
    }
    let mut strace =
        command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().context("cannot run strace")?;
    let result = wait_until_traced(&mut strace, processes).and_then(|()| work(&others));
    let _ = kill(Pid::from_raw(i32::try_from(strace.id())?), Signal::SIGINT);
    strace.wait()?;
    let result = result?;
    let mut calls = Calls::default();
    for (file, names) in [(file, names), (others, HashMap::new())] {
        let text = std::fs::read(&file).unwrap_or_default();
        let mut names = Names { known: names, starting: Vec::new() };
        for line in String::from_utf8_lossy(&text).lines() {
            calls.add(line, &mut names);
        }
        let _ = std::fs::remove_file(file);
    }
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

/// Who is who in a trace.
#[derive(Debug, Default)]
struct Names {
    known: HashMap<i32, String>,
    /// Who is making a process or thread, whose first calls may be seen before its number is.
    starting: Vec<i32>,
}

impl Names {
    /// Of a process that is perhaps gone already.
    fn of(&mut self, pid: i32) -> String {
        let parent = self.starting.last().and_then(|p| self.known.get(p)).cloned();
        let found = || Some(memory::name(pid)).filter(|n| !n.is_empty()).or(parent).unwrap_or_default();
        self.known.entry(pid).or_insert_with(found).clone()
    }
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
    fn add(&mut self, line: &str, names: &mut Names) {
        let Some((pid, rest)) = line.split_once(' ') else { return };
        let (Ok(pid), rest) = (pid.parse::<i32>(), rest.trim_start()) else { return };
        if let Some(resumed) = rest.strip_prefix("<... ") {
            let call = resumed.split(' ').next().unwrap_or_default();
            names.starting.retain(|p| *p != pid || !makes_processes(call));
            return born(call, resumed, pid, names);
        }
        let Some((call, arguments)) = rest.split_once('(') else { return };
        if !call.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return;
        }
        let is_process = match call {
            "fork" | "vfork" => true,
            "clone" | "clone3" => !arguments.contains("CLONE_THREAD"),
            _ => false,
        };
        self.processes += u64::from(is_process);
        if makes_processes(call) && arguments.ends_with("<unfinished ...>") {
            names.starting.push(pid);
        }
        if call == "execve" {
            let name = arguments.split('"').nth(1).and_then(|path| path.rsplit('/').next());
            names.known.insert(pid, name.unwrap_or_default().to_owned());
        }
        // A thread that is gone cannot be asked for its name: the one it was made by is known from its clone.
        born(call, arguments, pid, names);
        let program = names.of(pid);
        if program == OWN {
            return;
        }
        self.total += 1;
        match call {
            "fsync" | "fdatasync" => self.syncs += 1,
            "sync_file_range" | "syncfs" | "sync" | "msync" => self.other_syncs += 1,
            _ => {}
        }
        *self.by_program.entry((program, call.to_owned())).or_default() += 1;
    }
}

fn makes_processes(call: &str) -> bool {
    matches!(call, "clone" | "clone3" | "fork" | "vfork")
}

/// Notes the process or thread that a call has made, which its result tells.
fn born(call: &str, arguments: &str, parent: i32, names: &mut Names) {
    let result = arguments.rsplit_once(" = ").and_then(|(_, r)| r.split_whitespace().next()?.parse().ok());
    if let (true, Some(child)) = (makes_processes(call), result) {
        let name = names.of(parent);
        names.known.entry(child).or_insert(name);
    }
}

/// A count as a share of that many messages.
#[must_use]
pub fn per_message(count: u64, messages: usize) -> f64 {
    let float = |n: u64| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    float(count) / float(u64::try_from(messages).unwrap_or(u64::MAX)).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::{Calls, Names};
    use std::collections::HashMap;

    #[test]
    fn lines_of_strace_are_understood() {
        let known = HashMap::from([(7, "a".to_owned()), (8, "b".to_owned()), (6, super::OWN.to_owned())]);
        let mut names = Names { known, starting: Vec::new() };
        let mut calls = Calls::default();
        for line in [
            "7  fsync(3) = 0",
            "7  fdatasync(3 <unfinished ...>",
            "7  <... fdatasync resumed>) = 0",
            "7  sync_file_range(3, 0, 0, SYNC_FILE_RANGE_WRITE) = 0",
            "7  clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|SIGCHLD) = 8",
            "7  clone3({flags=CLONE_VM|CLONE_THREAD}, 88) = 9",
            "8  execve(\"/bin/cat\", [\"cat\"], 0x7) = 0",
            "7  vfork( <unfinished ...>",
            "4000001 close(3) = 0",
            "7  <... vfork resumed>) = 4000001",
            "6  vfork() = 4000002",
            "4000002 execve(\"/bin/sendmail\", [\"sendmail\"], 0x7) = 0",
            "8  +++ exited with 0 +++",
            "8  --- SIGCHLD {si_signo=SIGCHLD} ---",
        ] {
            calls.add(line, &mut names);
        }
        assert_eq!((calls.total, calls.syncs, calls.other_syncs, calls.processes), (9, 2, 1, 3));
        assert_eq!(calls.by_program.get(&("cat".to_owned(), "execve".to_owned())), Some(&1));
        assert_eq!(calls.by_program.get(&("a".to_owned(), "close".to_owned())), Some(&1));
        assert_eq!(calls.by_program.get(&("sendmail".to_owned(), "execve".to_owned())), Some(&1));
    }
}
