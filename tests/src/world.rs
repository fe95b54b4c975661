//! One installation, in a directory of its own: made, started, stopped, killed, looked into.
//!
//! Run by root, the rootless form gets a uid of its own, since deliveries are never made as root.

use crate::place::{deadline, is_root, programs, programs_are_built};
use crate::processes::{self, Mark, Seen};
use crate::space::{self, Accounts};
use crate::{Client, Log};
use admin::installation::Installation;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

mod caller;
mod foreign;
mod ownership;

pub use caller::Caller;

/// The domain that is at home in every world.
pub const DOMAIN: &str = "here.example";

/// The uid of the rootless form when root runs the test: nobody's.
const STRANGER: u32 = 64_200;

/// What stands behind the queue and before it; ps(1) shows 15 bytes of a name.
const QUEUE_PROGRAMS: [&str; 8] = [
    "qmail-queued",
    "qmail-send",
    "qmail-clean",
    "qmail-lspawn",
    "qmail-rspawn",
    "qmail-local",
    "qmail-remote",
    "qmail-getpw",
];

/// An installation.
#[derive(Debug)]
pub struct World {
    scratch: tempfile::TempDir,
    tree: Installation,
    /// Where it listens for SMTP.
    pub address: SocketAddr,
    /// What its programs say.
    pub log: Log,
    /// What [`World::start`] starts: `quail-start`, or `qmail-start` as the original has it.
    pub starter: &'static str,
    environment: Vec<(String, String)>,
    assign: String,
    supervisor: Option<Child>,
    accounts: Option<Accounts>,
}

impl World {
    /// A world without root, not started yet. The user `joe` is there; [`DOMAIN`] is at home.
    pub fn rootless() -> Self {
        let scratch = scratch();
        let home = scratch.path().join("home");
        let tree = Installation::create(&home).expect("a tree");
        let mut world = Self::around(scratch, tree, None);
        world.user("joe");
        world
    }

    /// A world as root: /var/qmail and the seven accounts, in a name space of the calling thread. Everything that
    /// looks at this world must happen on this thread.
    pub fn as_root() -> Self {
        let scratch = scratch();
        let accounts = space::enter(scratch.path());
        let tree = Installation::create(&scratch.path().join("home")).expect("a tree");
        Self::around(scratch, tree, Some(accounts))
    }

    fn around(scratch: tempfile::TempDir, tree: Installation, accounts: Option<Accounts>) -> Self {
        assert!(
            programs_are_built(),
            "no programs in {}: cargo xtask test builds them",
            programs().display()
        );
        let address = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port");
        place_programs(&tree.home().join("bin"), accounts.is_some());
        let log = Log::default();
        let world = Self {
            scratch,
            tree,
            address,
            log,
            starter: "quail-start",
            environment: Vec::new(),
            assign: String::new(),
            supervisor: None,
            accounts,
        };
        for name in ["me", "locals", "rcpthosts"] {
            world.control(name, &format!("{DOMAIN}\n"));
        }
        world.control("smtplisten", &format!("{address}\n"));
        world
    }

    /// The installation, as this test sees it.
    pub fn home(&self) -> &Path {
        self.tree.home()
    }

    /// A directory beside the installation.
    pub fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// The accounts, where there are any.
    pub fn accounts(&self) -> &Accounts {
        self.accounts.as_ref().expect("a world as root")
    }

    /// Writes a control file.
    pub fn control(&self, name: &str, content: &str) {
        self.tree.control(name, content).expect("a control file");
    }

    /// Sets a variable for all programs of this world.
    pub fn environment(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// A user with a Maildir and all addresses `name-anything`; gives the home directory.
    pub fn user(&mut self, name: &str) -> PathBuf {
        let line = self.tree.user(name).expect("a home");
        self.assign.push_str(&self.with_owner(&line));
        self.home().join(name)
    }

    /// The line for `users/assign` with the uid that this world runs as.
    fn with_owner(&self, line: &str) -> String {
        if is_root() { line.replace(":0:0:", &format!(":{STRANGER}:{STRANGER}:")) } else { line.to_owned() }
    }

    /// Writes `~name/.qmailSUFFIX`.
    pub fn dot_qmail(&self, name: &str, suffix: &str, content: &str) {
        fs::write(self.home().join(name).join(format!(".qmail{suffix}")), content).expect("a .qmail file");
    }

    /// Lets the clients of the test relay.
    pub fn relay_for_all(&mut self) {
        self.control("relayclients", "127.0.0.1\n");
    }

    /// A program of the installation, as whoever this world runs as.
    pub fn program(&self, name: &str) -> Command {
        self.caller().program(name)
    }

    /// What starts programs of the installation, also on other threads.
    pub fn caller(&self) -> Caller {
        let mut environment = Vec::new();
        if self.accounts.is_none() {
            environment.push(("QUAIL_HOME".to_owned(), self.home().display().to_string()));
        }
        environment.extend(self.environment.iter().cloned());
        let owner = (self.accounts.is_none() && is_root()).then_some(STRANGER);
        Caller::new(self.inside().join("bin"), environment, owner)
    }

    /// The installation's directory as its programs see it.
    pub fn inside(&self) -> &Path {
        if self.accounts.is_some() { Path::new(space::HOME) } else { self.home() }
    }

    /// Starts everything and waits until qmail-send is at work.
    pub fn start(&mut self) {
        self.own_all();
        if !self.assign.is_empty() {
            fs::write(self.home().join("users/assign"), format!("{}.\n", self.assign)).unwrap();
            let status = self.program("qmail-newu").status().expect("qmail-newu");
            assert!(status.success(), "qmail-newu: {status}");
        }
        self.launch();
    }

    /// Starts it again as it is, whoever works in it meanwhile; waits until qmail-send is at work.
    pub fn launch(&mut self) {
        let (reader, writer) = std::io::pipe().unwrap();
        let child = self
            .program(self.starter)
            .arg("./Maildir/")
            .stdout(writer.try_clone().unwrap())
            .stderr(writer)
            .process_group(0)
            .spawn()
            .expect("a starter");
        self.supervisor = Some(child);
        self.log = Log::default();
        self.log.follow(reader);
        self.log.wait("status: local");
    }

    /// Gives everything to whom it belongs in this form; [`World::start`] does so too.
    pub fn own_all(&self) {
        match &self.accounts {
            Some(accounts) => ownership::as_the_original(self.home(), self.scratch(), accounts),
            None if is_root() => ownership::all_to(self.home(), STRANGER),
            None => {}
        }
    }

    /// Makes a path of the world's belong to whoever the world runs as.
    pub fn own(&self, path: &Path) {
        if is_root() && self.accounts.is_none() {
            chown(path, Some(STRANGER), Some(STRANGER)).expect("root may");
        }
    }

    /// A signal to the supervisor, which passes on what is not for it.
    pub fn signal(&self, signal: Signal) {
        let child = self.supervisor.as_ref().expect("a running world");
        kill(pid_of(child), signal).expect("it lives");
    }

    /// Stops everything in order.
    pub fn stop(&mut self) {
        self.stop_supervised();
        deadline("all programs end", || self.processes().is_empty());
    }

    /// Stops in order what [`World::launch`] started, and nothing else of this world.
    pub fn stop_supervised(&mut self) {
        self.signal(Signal::SIGTERM);
        let mut child = self.supervisor.take().expect("a running world");
        deadline("what was started ends", || child.try_wait().unwrap().is_some());
    }

    /// Kills what empties the queue and the service before it, at once; servers and programs that send stay alive.
    pub fn kill_supervised(&mut self) {
        let mut child = self.supervisor.take().expect("a running world");
        // The supervisor first, or it starts again what it sees die.
        let _ = kill(pid_of(&child), Signal::SIGKILL);
        let _ = child.wait();
        deadline("all of them are dead", || {
            let mut alive = self.processes();
            alive.retain(|_, process| QUEUE_PROGRAMS.contains(&process.name.as_str()));
            for &pid in alive.keys() {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            alive.is_empty()
        });
    }

    /// Kills every process of this world at once, as a power failure would.
    pub fn kill_all(&mut self) {
        self.kill_programs();
        if let Some(mut child) = self.supervisor.take() {
            let _ = child.wait();
        }
    }

    /// As [`World::kill_all`], leaving what is left of the supervisor to be collected by it.
    pub fn kill_programs(&self) {
        // The supervisor first, or it starts again what it sees die.
        if let Some(child) = &self.supervisor {
            let _ = kill(pid_of(child), Signal::SIGKILL);
        }
        deadline("all programs are dead", || {
            let alive = self.processes();
            for &pid in alive.keys() {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            alive.is_empty()
        });
    }

    /// The processes of this world.
    pub fn processes(&self) -> BTreeMap<i32, Seen> {
        processes::of(&match self.accounts {
            None => Mark::Home(self.home().to_path_buf()),
            Some(_) => Mark::Space(fs::read_link("/proc/thread-self/ns/mnt").expect("a name space")),
        })
    }

    /// A session with this world.
    #[track_caller]
    pub fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// One message in by SMTP.
    #[track_caller]
    pub fn deliver(&self, from: &str, to: &[&str], text: &str) -> String {
        Client::deliver(self.address, from, to, text)
    }

    /// One message in by qmail-inject.
    #[track_caller]
    pub fn inject(&self, arguments: &[&str], text: &str) {
        let mut child = self.program("qmail-inject").args(arguments).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).expect("qmail-inject reads");
        let status = child.wait().unwrap();
        assert!(status.success(), "qmail-inject: {status}");
    }

    /// The files of the queue that belong to messages, below `queue`.
    pub fn queue_files(&self) -> Vec<String> {
        let queue = self.home().join("queue");
        let mut found = Vec::new();
        let mut open: Vec<PathBuf> = ["pid", "mess", "intd", "todo", "info", "local", "remote", "bounce"]
            .map(|d| queue.join(d))
            .into();
        while let Some(dir) = open.pop() {
            for entry in dir.read_dir().expect("a queue directory").filter_map(Result::ok) {
                let path = entry.path();
                if path.is_dir() {
                    open.push(path);
                } else {
                    found.push(path.strip_prefix(&queue).unwrap().display().to_string());
                }
            }
        }
        found.sort();
        found
    }

    /// Waits until no message is left.
    #[track_caller]
    pub fn wait_empty(&self) {
        deadline("the queue is empty", || self.queue_files().is_empty());
    }
}

impl World {
    /// Waits until no message is waiting for anything. What a crash left half made or half removed may lie about for
    /// its 36 hours: it is no message.
    #[track_caller]
    pub fn wait_all_done(&self) {
        let is_waiting =
            |f: &String| ["todo/", "info/", "local/", "remote/", "bounce/"].iter().any(|d| f.starts_with(d));
        deadline("no message waits", || !self.queue_files().iter().any(is_waiting));
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the log of this world:");
            for line in self.log.lines().iter().rev().take(60).rev() {
                eprintln!("    {line}");
            }
        }
        self.kill_all();
    }
}

fn scratch() -> tempfile::TempDir {
    let made = tempfile::Builder::new().prefix("quail-test-").tempdir().expect("a directory");
    fs::set_permissions(made.path(), fs::Permissions::from_mode(0o755)).unwrap();
    made
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("a process id"))
}

/// Linked where that can be, for speed; copied for root, who changes owners and modes.
fn place_programs(bin: &Path, as_root: bool) {
    if as_root {
        admin::installation::copy_programs(&programs(), bin).unwrap();
        return;
    }
    for path in admin::installation::programs_in(&programs()).unwrap() {
        let target = bin.join(path.file_name().unwrap());
        if fs::hard_link(&path, &target).is_err() {
            fs::copy(&path, &target).unwrap();
        }
    }
}
