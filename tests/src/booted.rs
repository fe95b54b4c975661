//! As root: a copy of this machine on which systemd is at work.
//!
//!     this machine ─overlay─> [ copy: process 1 is systemd, with its own mounts, processes, network and cgroups ]
//!
//! What systemd wants besides a copy of the files ([`Machine`]) is a subtree of the cgroups that is its own. That subtree is
//! the one thing outside of the copy; it is removed when the copy is.

use crate::machine::{Machine, NAME};
use crate::place::deadline;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

const SYSTEMD: &str = "/lib/systemd/systemd";

/// What systemd finds mounted, as sandboxes of its units want it; `$R` is the root.
const MOUNTS: &str = "\
mount -t proc proc $R/proc && mount -t sysfs -o ro sysfs $R/sys && mount -t cgroup2 cgroup2 $R/sys/fs/cgroup && \
mkdir $R/dev/pts $R/dev/shm && mount -t devpts -o newinstance,ptmxmode=0666 devpts $R/dev/pts && \
ln -s pts/ptmx $R/dev/ptmx && mknod -m 666 $R/dev/tty c 5 0 && ln -s /proc/self/fd $R/dev/fd";

/// A machine that has been started.
#[derive(Debug)]
pub struct Booted {
    child: Child,
    /// Its process 1, as seen from here.
    first: u32,
    cgroup: PathBuf,
    /// Its files. What it has mounted itself is not among them.
    pub machine: Machine,
}

impl Booted {
    /// Starts one for this thread; the reason when there cannot be one.
    pub fn start() -> Result<Self, String> {
        if !crate::place::is_root() {
            return Err("only root can start a machine".to_owned());
        }
        if !Path::new(SYSTEMD).exists() {
            return Err("there is no systemd here".to_owned());
        }
        let cgroup = cgroups()?.join(format!("quail-test-{}", unique()));
        fs::create_dir(&cgroup).map_err(|e| format!("no cgroup of its own: {e}"))?;
        let machine = Machine::copy().inspect_err(|_| drop(fs::remove_dir(&cgroup)))?;
        fs::write(machine.at("/etc/machine-id"), "0123456789abcdef0123456789abcdef\n").unwrap();
        fs::write(machine.at("/etc/hostname"), format!("{NAME}\n")).unwrap();
        // What keeps packages from starting services while an image is made.
        let _ = fs::remove_file(machine.at("/usr/sbin/policy-rc.d"));
        let start = format!("{SYSTEMD} --system --unit=basic.target --log-target=journal");
        let inner = format!(
            "{MOUNTS} && exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=quail chroot $R {start}"
        );
        let mut child = Command::new("/bin/sh")
            .args(["-c", "echo $$ >$G/cgroup.procs && exec unshare --mount --ipc --pid --cgroup --fork --kill-child sh -c \"$I\""])
            .env("R", machine.root())
            .env("G", &cgroup)
            .env("I", inner)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let mut first = None;
        deadline("there is a first process", || {
            first = only_child(child.id());
            first.is_some() || child.try_wait().unwrap().is_some()
        });
        let Some(first) = first else {
            let _ = fs::remove_dir(&cgroup);
            return Err("a machine of its own cannot be started here".to_owned());
        };
        let booted = Self { child, first, cgroup, machine };
        deadline("systemd is at work", || {
            matches!(
                booted.run("systemctl is-system-running").stdout.as_slice(),
                b"running\n" | b"degraded\n"
            )
        });
        Ok(booted)
    }

    /// Runs a line of shell on it.
    pub fn run(&self, line: &str) -> Output {
        Command::new("nsenter")
            .args(["-t", &self.first.to_string(), "-m", "-i", "-p", "-C", "-r", "-w", "/bin/sh", "-c", line])
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C.UTF-8")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            .output()
            .expect("nsenter(1)")
    }

    /// As [`Booted::run`], and it must succeed; all that it said.
    #[track_caller]
    pub fn must(&self, line: &str) -> String {
        let output = self.run(line);
        let said = crate::own_host::text(&output);
        assert!(output.status.success(), "{line}: {}\n{said}", output.status);
        said
    }

    /// What systemd says of a unit: `active`, `inactive`, `failed`.
    pub fn state(&self, unit: &str) -> String {
        crate::own_host::text(&self.run(&format!("systemctl is-active {unit}"))).trim().to_owned()
    }
}

impl Drop for Booted {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let journal = self.run("journalctl --no-pager -n 60");
            eprintln!("its journal:\n{}", String::from_utf8_lossy(&journal.stdout));
        }
        // With process 1 all others of the copy end.
        if let Ok(first) = i32::try_from(self.first) {
            let _ =
                nix::sys::signal::kill(nix::unistd::Pid::from_raw(first), nix::sys::signal::Signal::SIGKILL);
        }
        let _ = self.child.wait();
        deadline("its cgroups are empty and gone", || remove(&self.cgroup));
    }
}

/// Where the cgroups of version 2 are.
fn cgroups() -> Result<PathBuf, String> {
    let mounts = fs::read_to_string("/proc/self/mounts").map_err(|e| e.to_string())?;
    let place = mounts.lines().find_map(|line| {
        let mut words = line.split(' ');
        let place = words.nth(1)?;
        (words.next()? == "cgroup2").then(|| PathBuf::from(place))
    });
    place.ok_or_else(|| "there are no cgroups of version 2 here".to_owned())
}

/// A name that no other test has.
fn unique() -> String {
    static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    format!("{}-{number}", std::process::id())
}

fn only_child(process: u32) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).ok()?;
    text.split_whitespace().next()?.parse().ok()
}

/// Removes a cgroup with those below it; true when it is gone.
fn remove(cgroup: &Path) -> bool {
    for entry in cgroup.read_dir().into_iter().flatten().filter_map(Result::ok) {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path());
        }
    }
    fs::remove_dir(cgroup).is_ok() || !cgroup.exists()
}
