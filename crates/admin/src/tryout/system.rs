//! The private system itself: made, started, watched, stopped.

use crate::installation::Installation;
use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The domain that is at home here.
pub const DOMAIN: &str = "quail.example";

/// The one user.
pub const USER: &str = "you";

/// How long the programs may take to start, and a message to arrive.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often we look.
const GLANCE: Duration = Duration::from_micros(200);

/// A running private system.
#[derive(Debug)]
pub struct System {
    tree: Installation,
    /// Where it listens.
    pub address: SocketAddr,
    supervisor: Child,
}

impl System {
    /// Makes the installation below `scratch` and starts everything.
    pub fn start(scratch: &Path, programs: &Path) -> Result<Self> {
        let tree = Installation::create(&scratch.join("home")).context("cannot make the installation")?;
        tree.copy_programs(programs).context("cannot copy the programs")?;
        let address = free_address()?;
        for (name, content) in
            [("me", DOMAIN), ("locals", DOMAIN), ("rcpthosts", DOMAIN), ("smtplisten", &address.to_string())]
        {
            tree.control(name, &format!("{content}\n"))?;
        }
        tree.assign(&tree.user(USER)?)?;
        compile_users(&tree)?;
        let log = File::create(scratch.join("log"))?;
        let supervisor = program(&tree, "quail-start")
            .arg("./Maildir/")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // An interrupt from the keyboard is for us; we stop the system in order.
            .process_group(0)
            .spawn()
            .context("cannot run quail-start")?;
        let mut system = Self { tree, address, supervisor };
        system.wait_until("listens", |s| TcpStream::connect(s.address).is_ok())?;
        Ok(system)
    }

    /// The installation's directory.
    pub fn home(&self) -> &Path {
        self.tree.home()
    }

    /// The log so far.
    pub fn log_lines(&self) -> Vec<String> {
        let bytes = std::fs::read(self.log_file()).unwrap_or_default();
        bytes.split(|&b| b == b'\n').filter(|l| !l.is_empty()).map(crate::page::harmless).collect()
    }

    /// Where the log is.
    pub fn log_file(&self) -> PathBuf {
        self.home().parent().unwrap_or(self.home()).join("log")
    }

    /// Where the user's new mail appears.
    pub fn new_mail(&self) -> PathBuf {
        self.home().join(USER).join("Maildir/new")
    }

    /// The first message in the user's Maildir, as soon as there is one.
    pub fn first_arrival(&mut self) -> Result<PathBuf> {
        let look =
            |s: &Self| s.new_mail().read_dir().ok()?.filter_map(io::Result::ok).map(|e| e.path()).next();
        let mut found = None;
        self.wait_until("delivers the message", |s| {
            found = look(s);
            found.is_some()
        })?;
        found.context("the message is gone")
    }

    /// Looks again and again until it is so; fails when that takes too long or the system has ended.
    pub fn wait_until(&mut self, what: &str, mut so: impl FnMut(&Self) -> bool) -> Result<()> {
        let start = Instant::now();
        while !so(self) {
            if let Some(status) = self.supervisor.try_wait()? {
                bail!("the system ended by itself ({status})");
            }
            if start.elapsed() > PATIENCE {
                bail!("{} seconds have passed and nothing {what}", PATIENCE.as_secs());
            }
            std::thread::sleep(GLANCE);
        }
        Ok(())
    }

    /// Stops everything in order, by force if it must be.
    pub fn stop(&mut self) {
        let Ok(pid) = i32::try_from(self.supervisor.id()) else { return };
        // Each of these fails only when it has ended already.
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        let start = Instant::now();
        while matches!(self.supervisor.try_wait(), Ok(None)) {
            if start.elapsed() > PATIENCE {
                let _ = kill(Pid::from_raw(-pid), Signal::SIGKILL);
                let _ = self.supervisor.wait();
            }
            std::thread::sleep(GLANCE);
        }
    }
}

/// A program of the installation, with the environment it needs.
fn program(tree: &Installation, name: &str) -> Command {
    let bin = tree.home().join("bin");
    let mut command = Command::new(bin.join(name));
    command.env("QUAIL_HOME", tree.home()).env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
    for inherited in ["QMAILQUEUE", "QMAILREMOTE", "RELAYCLIENT", "TCPREMOTEIP", "DATABYTES"] {
        command.env_remove(inherited);
    }
    command.current_dir("/");
    command
}

fn compile_users(tree: &Installation) -> Result<()> {
    let status = program(tree, "qmail-newu").status().context("cannot run qmail-newu")?;
    if status.success() { Ok(()) } else { bail!("qmail-newu: {status}") }
}

/// A loopback port that nobody uses now.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}
