//! The running qmail-send, and who keeps it running: that one stops and starts it.

use super::remark::{Remark, Standing};
use crate::page::say;
use crate::place::{Place, quoted};
use crate::setup::step::run;
use anyhow::{Context, Result, bail};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Deliveries that run are waited for.
const PATIENCE: Duration = Duration::from_secs(300);

/// Who keeps it running.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Keeper {
    /// daemontools: the service directory.
    Supervise(PathBuf),
    /// runit: the service directory.
    Runsv(PathBuf),
    /// systemd: the unit.
    Systemd(String),
    /// Nobody that we know.
    Nobody,
}

/// The queue manager of an installation.
#[derive(Debug)]
pub(super) struct Manager {
    place: Place,
    /// The process, if it runs.
    process: Option<u32>,
    keeper: Keeper,
}

impl Manager {
    /// Looks among the processes of this machine.
    pub fn find(place: &Place) -> Self {
        let process = processes(place, "qmail-send").into_iter().next();
        let keeper = process.map_or(Keeper::Nobody, keeper_of);
        Self { place: place.clone(), process, keeper }
    }

    /// Has it stopped, and waits until it is.
    pub fn stop(&self) -> Result<()> {
        let Some(process) = self.process else { return Ok(()) };
        let (program, arguments) = match &self.keeper {
            Keeper::Supervise(service) => ("svc", vec!["-d".to_owned(), service.display().to_string()]),
            Keeper::Runsv(service) => ("sv", vec!["down".to_owned(), service.display().to_string()]),
            Keeper::Systemd(unit) => ("systemctl", vec!["stop".to_owned(), unit.clone()]),
            Keeper::Nobody => bail!(
                "qmail-send runs (process {process}), and nobody known here keeps it running; stop it as you always do (kill -TERM {process} and wait until it is gone), then run this again"
            ),
        };
        say(&format!("  stopping qmail-send: {program} {}", arguments.join(" ")));
        run(program, &arguments)?;
        let end = Instant::now() + PATIENCE;
        while is_process(process) {
            if Instant::now() > end {
                bail!(
                    "qmail-send, process {process}, still runs after {} s; nothing has been changed",
                    PATIENCE.as_secs()
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Has it started again, if it ran, and waits until it listens.
    pub fn start(&self) -> Result<()> {
        let (program, arguments) = match &self.keeper {
            Keeper::Supervise(service) => ("svc", vec!["-u".to_owned(), service.display().to_string()]),
            Keeper::Runsv(service) => ("sv", vec!["up".to_owned(), service.display().to_string()]),
            Keeper::Systemd(unit) => ("systemctl", vec!["start".to_owned(), unit.clone()]),
            Keeper::Nobody => {
                say("  qmail-send did not run: start it as you always do");
                return Ok(());
            }
        };
        say(&format!("  starting qmail-send: {program} {}", arguments.join(" ")));
        run(program, &arguments)?;
        let trigger = self.place.at("queue/lock/trigger");
        let end = Instant::now() + PATIENCE;
        while !has_reader(&trigger) {
            if Instant::now() > end {
                bail!("qmail-send has not come up; its log tells why");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

/// Whether somebody reads the named pipe.
fn has_reader(trigger: &Path) -> bool {
    use nix::fcntl::{OFlag, open};
    open(trigger, OFlag::O_WRONLY | OFlag::O_NONBLOCK, nix::sys::stat::Mode::empty()).is_ok()
}

/// What is said about it.
pub(super) fn remarks(place: &Place) -> Vec<Remark> {
    let manager = Manager::find(place);
    let Some(process) = manager.process else {
        return vec![Remark::new(Standing::Found, "qmail-send", "does not run")];
    };
    let by = match &manager.keeper {
        Keeper::Supervise(service) => {
            format!("kept by daemontools: `svc -d {0}` and `svc -u {0}`", quoted(service))
        }
        Keeper::Runsv(service) => format!("kept by runit: `sv down {0}` and `sv up {0}`", quoted(service)),
        Keeper::Systemd(unit) => format!("kept by systemd as {unit}"),
        Keeper::Nobody => "kept by nobody that is known here: you stop and start it".to_owned(),
    };
    let others = ["qmail-smtpd", "qmail-pop3d", "qmail-remote", "qmail-local", "qmail-queue"]
        .iter()
        .map(|name| (name, processes(place, name).len()))
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!("{count} {name}"))
        .collect::<Vec<_>>();
    let mut found = vec![Remark::new(Standing::Found, format!("qmail-send, process {process}"), by)];
    if !others.is_empty() {
        let words = format!("{} end by themselves; the next ones are ours", others.join(", "));
        found.push(Remark::new(Standing::Found, "running now", words));
    }
    found
}

/// The processes of that name that work on this queue. The paths of a container's programs may look like ours, so it is
/// asked which directory they really see.
fn processes(place: &Place, name: &str) -> Vec<u32> {
    let home = place.home.canonicalize().unwrap_or_else(|_| place.home.clone());
    let bin = home.join("bin");
    let identity = |path: &Path| path.metadata().ok().map(|m| (m.dev(), m.ino()));
    let own = identity(&home.join("queue"));
    let is_ours = |process: u32| {
        let entry = Path::new("/proc").join(process.to_string());
        let seen = entry.join("root").join(home.strip_prefix("/").unwrap_or(&home)).join("queue");
        let runs = entry.join("exe").read_link();
        own.is_some() && identity(&seen) == own && runs.is_ok_and(|file| file.parent() == Some(&bin))
    };
    let mut found: Vec<u32> = Path::new("/proc")
        .read_dir()
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_string_lossy().parse().ok())
        .filter(|&process| comm(process) == name && is_ours(process))
        .collect();
    found.sort_unstable();
    found
}

fn comm(process: u32) -> String {
    std::fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default().trim().to_owned()
}

fn is_process(process: u32) -> bool {
    // A zombie has stopped; whoever started it has not looked yet.
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

fn keeper_of(process: u32) -> Keeper {
    let field =
        |text: &str, name: &str| text.lines().find_map(|l| l.strip_prefix(name)).map(|v| v.trim().to_owned());
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let parent: Option<u32> = field(&status, "PPid:").and_then(|p| p.parse().ok());
    if let Some(parent) = parent {
        let directory =
            || Path::new("/proc").join(parent.to_string()).join("cwd").read_link().context("its directory");
        match (comm(parent).as_str(), directory()) {
            ("supervise", Ok(service)) => return Keeper::Supervise(service),
            ("runsv", Ok(service)) => return Keeper::Runsv(service),
            _ => {}
        }
    }
    let groups = std::fs::read_to_string(format!("/proc/{process}/cgroup")).unwrap_or_default();
    let unit = groups.lines().filter_map(|l| l.rsplit('/').next()).find(|name| name.ends_with(".service"));
    match unit {
        Some(unit) if Path::new("/run/systemd/system").is_dir() && unit.contains("qmail") => {
            Keeper::Systemd(unit.to_owned())
        }
        _ => Keeper::Nobody,
    }
}
