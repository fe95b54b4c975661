//! As root: a copy of this machine that packages may be installed into.
//!
//! An overlay: what is read is the machine's, what is written goes into memory, and the machine is never changed. It has a
//! network, a host name and a mount name space of its own. [`Machine::changed`] is what differs from the machine.

use crate::Log;
use crate::own_host::text;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// The name of the copy.
pub const NAME: &str = "mail.here.example";

/// The copy, as long as it lives.
#[derive(Debug)]
pub struct Machine {
    scratch: tempfile::TempDir,
}

/// Devices that programs of packages use: name, major, minor.
const DEVICES: [(&str, u64, u64); 5] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9)];

impl Machine {
    /// A copy for this thread and what it starts; the reason when there cannot be one.
    pub fn copy() -> Result<Self, String> {
        let scratch = tempfile::tempdir().expect("a directory");
        let own = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWUTS;
        unshare(own).map_err(|e| format!("no name spaces: {e}"))?;
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).map_err(|e| e.to_string())?;
        mount(none, scratch.path(), Some("tmpfs"), MsFlags::empty(), Some("mode=0755"))
            .map_err(|e| format!("no tmpfs: {e}"))?;
        let machine = Self { scratch };
        for part in ["changed", "work", "root"] {
            fs::create_dir(machine.scratch.path().join(part)).expect("a directory");
        }
        let options = format!(
            "lowerdir=/,upperdir={},workdir={}",
            machine.upper().display(),
            machine.scratch.path().join("work").display()
        );
        mount(Some("overlay"), &machine.root(), Some("overlay"), MsFlags::empty(), Some(options.as_str()))
            .map_err(|e| format!("no overlay of this machine's root: {e}"))?;
        machine.furnish();
        Ok(machine)
    }

    fn furnish(&self) {
        let root = self.root();
        let none = None::<&str>;
        mount(none, &root.join("proc"), Some("proc"), MsFlags::empty(), none).expect("a proc");
        for place in ["dev", "run", "tmp"] {
            mount(none, &root.join(place), Some("tmpfs"), MsFlags::empty(), Some("mode=0755"))
                .expect("a tmpfs");
        }
        let all = Mode::from_bits_truncate(0o666);
        for (name, major, minor) in DEVICES {
            let path = root.join("dev").join(name);
            mknod(&path, SFlag::S_IFCHR, all, makedev(major, minor)).expect("a device");
            fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o666))
                .expect("it is ours");
        }
        fs::create_dir(root.join("run/lock")).expect("a directory");
        nix::unistd::sethostname(NAME).expect("a name of its own");
        let hosts = format!("127.0.0.1 localhost\n127.0.1.1 {NAME} mail\n");
        fs::write(root.join("etc/hosts"), hosts).expect("the copy may be written");
        // Their index takes seconds to make, and nobody reads manuals here.
        let _ = fs::remove_file(root.join("var/lib/man-db/auto-update"));
        self.must("ip", &["link", "set", "lo", "up"]);
    }

    /// Where its files are.
    pub fn root(&self) -> PathBuf {
        self.scratch.path().join("root")
    }

    fn upper(&self) -> PathBuf {
        self.scratch.path().join("changed")
    }

    /// A path on it, as seen from outside.
    pub fn at(&self, path: &str) -> PathBuf {
        self.root().join(path.trim_start_matches('/'))
    }

    /// A command on it.
    pub fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new("chroot");
        command.arg(self.root()).arg(program).args(args).env_clear().current_dir("/");
        command
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C.UTF-8")
            .env("DEBIAN_FRONTEND", "noninteractive");
        command
    }

    /// Runs it; what it said, and how it ended.
    pub fn run(&self, program: &str, args: &[&str]) -> Output {
        self.command(program, args).stdin(Stdio::null()).output().expect("chroot(8)")
    }

    /// Runs it, and it must succeed; all that it said.
    #[track_caller]
    pub fn must(&self, program: &str, args: &[&str]) -> String {
        let output = self.run(program, args);
        let said = text(&output);
        assert!(output.status.success(), "{program} {args:?}: {}\n{said}", output.status);
        said
    }

    /// Files, links and devices that are not as on the machine, sorted. What is gone is among them; directories are not.
    pub fn changed(&self) -> Vec<String> {
        let upper = self.upper();
        let mut found = Vec::new();
        let mut open = vec![upper.clone()];
        while let Some(folder) = open.pop() {
            for entry in folder.read_dir().expect("a directory").filter_map(Result::ok) {
                let kind = entry.file_type().expect("it is there");
                let path = entry.path();
                if kind.is_dir() {
                    open.push(path);
                    continue;
                }
                let name = format!("/{}", path.strip_prefix(&upper).expect("below").display());
                // What is gone is a device 0/0, which stays when something made later is removed again.
                let is_new = self.root().join(name.trim_start_matches('/')).symlink_metadata().is_ok();
                if is_new || (kind.is_char_device() && Path::new(&name).symlink_metadata().is_ok()) {
                    found.push(name);
                }
            }
        }
        found.sort();
        found
    }
}

impl Drop for Machine {
    /// Takes the copy away before its directory is removed.
    fn drop(&mut self) {
        for place in ["root/tmp", "root/run", "root/dev", "root/proc", "root", ""] {
            let _ = umount2(&self.scratch.path().join(place), MntFlags::MNT_DETACH);
        }
    }
}

/// A long-lived program; told to end, and waited for, when it is dropped.
#[derive(Debug)]
pub struct Service {
    child: Child,
    /// What it says on descriptor 1.
    pub log: Log,
}

impl Service {
    /// Starts it.
    pub fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("it starts");
        let log = Log::default();
        log.follow(child.stdout.take().expect("a pipe"));
        Self { child, log }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(self.child.id().cast_signed());
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _ = self.child.wait();
    }
}
