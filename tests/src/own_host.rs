//! As root: this machine as it is, to be changed at will.
//!
//!     /etc /usr /var   what the machine has, below an upper layer in memory that takes every change
//!     /run             empty
//!     network          loopback only, every port free
//!
//! All of it belongs to the calling thread and to what it starts, and is gone with them. Nothing below the upper layer
//! can be written through it.

use crate::place::{deadline, is_root, programs, skip};
use crate::processes::{self, Mark, Seen};
use crate::space;
use nix::fcntl::{Flock, FlockArg};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A machine of a test's own.
#[derive(Debug)]
pub struct Host {
    scratch: tempfile::TempDir,
    /// userdel(8) looks at the processes of the whole machine: to two such hosts the users of one are in use on the other.
    _alone: Flock<File>,
}

impl Host {
    /// Gives this thread such a machine once no other test has one; `None`, said aloud, where that cannot be.
    pub fn enter() -> Option<Self> {
        if !is_root() {
            skip("only root can have a machine of its own");
            return None;
        }
        if Path::new(space::HOME).exists() {
            skip("this machine has a /var/qmail");
            return None;
        }
        let alone = Flock::lock(File::open(programs()).expect("a folder"), FlockArg::LockExclusive)
            .map_err(|(_, error)| error)
            .expect("a lock");
        let scratch = tempfile::Builder::new().prefix("quail-test-").tempdir().expect("a directory");
        space::private_mounts();
        let memory = scratch.path().join("upper");
        fs::create_dir(&memory).unwrap();
        mount(None::<&str>, &memory, Some("tmpfs"), MsFlags::empty(), Some("mode=0755")).unwrap();
        for name in ["etc", "usr", "var"] {
            if !overlay(&memory, name) {
                skip("this kernel has no overlay file system for us");
                return None;
            }
        }
        space::cover(Path::new("/run"), &["lock"]);
        unshare(CloneFlags::CLONE_NEWNET).expect("root may have a network");
        let up = Command::new("ip").args(["link", "set", "lo", "up"]).status().expect("ip(8)");
        assert!(up.success(), "no loopback");
        Some(Self { scratch, _alone: alone })
    }

    /// A directory of the test's own.
    pub fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// Runs the `quail` under test.
    pub fn quail(&self, arguments: &[&str]) -> Output {
        self.run(&programs().join("quail"), arguments)
    }

    /// Runs a program with the environment of a root shell.
    pub fn run(&self, program: &Path, arguments: &[&str]) -> Output {
        let mut command = Command::new(program);
        command.args(arguments).env_clear().env("PATH", self.path()).current_dir("/").stdin(Stdio::null());
        command.output().unwrap_or_else(|e| panic!("{}: {e}", program.display()))
    }

    /// Runs a line of shell.
    pub fn shell(&self, line: &str) -> Output {
        self.run(Path::new("/bin/sh"), &["-c", line])
    }

    /// As [`Host::shell`], and it must succeed; gives what it says.
    #[track_caller]
    pub fn must(&self, line: &str) -> String {
        let output = self.shell(line);
        assert!(output.status.success(), "{line}: {}", text(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Programs that stand in for the machine's own: scripts in this directory are found first.
    pub fn stand_ins(&self) -> PathBuf {
        let path = self.scratch().join("stand-ins");
        fs::create_dir_all(&path).unwrap();
        path
    }

    fn path(&self) -> String {
        format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", self.scratch().join("stand-ins").display())
    }

    /// What runs on it, but for this test.
    pub fn processes(&self) -> BTreeMap<i32, Seen> {
        processes::of(&Mark::Space(fs::read_link("/proc/thread-self/ns/mnt").expect("a name space")))
    }

    /// Asks every process of that name to end, and waits until nothing of that name is left.
    #[track_caller]
    pub fn end(&self, name: &str) {
        let named = || self.processes().into_iter().filter(|(_, p)| p.name == name).map(|(pid, _)| pid);
        for pid in named() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        deadline("it ends", || named().next().is_none());
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        deadline("all its programs are dead", || {
            let alive = self.processes();
            for &pid in alive.keys() {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            alive.is_empty()
        });
    }
}

fn overlay(memory: &Path, name: &str) -> bool {
    let (upper, work) = (memory.join(format!("{name}.new")), memory.join(format!("{name}.work")));
    let below = Path::new("/").join(name);
    for directory in [&upper, &work] {
        fs::create_dir(directory).unwrap();
    }
    let mode = fs::metadata(&below).unwrap().permissions();
    fs::set_permissions(&upper, mode).unwrap();
    let options =
        format!("lowerdir={},upperdir={},workdir={}", below.display(), upper.display(), work.display());
    mount(Some("overlay"), &below, Some("overlay"), MsFlags::empty(), Some(options.as_str())).is_ok()
}

/// Everything a program said.
pub fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A directory and everything below it: path, kind and mode, owner, group, and for what is no directory size, time of
/// change, and inode.
pub fn listing(top: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![top.to_path_buf()];
    while let Some(path) = open.pop() {
        let Ok(m) = path.symlink_metadata() else { continue };
        let mut line = format!("{} {:o} {}:{}", path.display(), m.mode(), m.uid(), m.gid());
        if m.is_dir() {
            open.extend(path.read_dir().unwrap().map(|e| e.unwrap().path()));
        } else {
            let link = path.read_link().map(|to| to.display().to_string()).unwrap_or_default();
            line += &format!(" {} {}.{} {} {link}", m.size(), m.mtime(), m.mtime_nsec(), m.ino());
        }
        found.push(line);
    }
    found.sort();
    found
}
