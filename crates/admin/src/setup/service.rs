//! Starting with the machine: `rc`, the run script, and a systemd unit where systemd runs.

use super::step::{Step, run, write_whole};
use crate::place::{Place, quoted};
use anyhow::{Context, Result, bail};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The run script, for any supervisor.
const RC: &str = include_str!("rc.sh");
/// The unit for systemd.
const UNIT: &str = include_str!("quail.service");
/// Its name.
const NAME: &str = "quail.service";
/// Where a unit of ours may be: the administrator's, a package's.
const UNIT_PLACES: [&str; 3] = ["/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];
/// How long the system may take to come up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whether systemd runs this machine.
pub fn is_systemd(place: &Place) -> bool {
    place.outside("/run/systemd/system").is_dir()
}

/// Whether the queue service of this installation answers.
pub fn is_running(place: &Place) -> bool {
    UnixStream::connect(place.at("run/queue")).is_ok()
}

/// What starts the system, now and with the machine. `has_changed`: there are earlier steps, so what runs is not what
/// will be there.
pub fn steps(place: &Place, has_changed: bool) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    let rc = place.at("rc");
    if !rc.exists() {
        // systemd keeps what a service says; elsewhere syslog does, where there is one.
        let has_syslog = !is_systemd(place) && place.outside("/dev/log").exists();
        let text = RC.replace("/var/qmail", &place.home.display().to_string());
        let text = text.replace(" LOGGER", if has_syslog { " splogger qmail" } else { "" });
        steps.push(Step::file(format!("write the run script {}", rc.display()), rc.clone(), text, 0o755));
    }
    if !is_running(place) {
        free_ports(place)?;
    }
    if is_systemd(place) {
        systemd(place, has_changed || !steps.is_empty(), &mut steps);
        return Ok(steps);
    }
    if !is_running(place) {
        let does = format!("start {}", rc.display());
        let home = place.clone();
        steps.push(Step::new(does, None, move || {
            let log = std::fs::OpenOptions::new().create(true).append(true).open(home.at("setup/log"))?;
            // A process group of its own: what interrupts this program does not interrupt the mail.
            Command::new(home.at("rc"))
                .current_dir("/")
                .process_group(0)
                .stdin(Stdio::null())
                .stdout(log.try_clone()?)
                .stderr(log)
                .spawn()
                .with_context(|| format!("cannot run {}", home.at("rc").display()))?;
            come_up(&home)
        }));
    }
    Ok(steps)
}

fn systemd(place: &Place, has_changed: bool, steps: &mut Vec<Step>) {
    let has_unit = UNIT_PLACES.iter().any(|d| place.outside(&format!("{d}/{NAME}")).exists());
    if !has_unit {
        let path = place.outside(&format!("/etc/systemd/system/{NAME}"));
        let text = UNIT.replace("/var/qmail", &place.home.display().to_string());
        let undo = format!("rm -f {}; systemctl daemon-reload", quoted(&path));
        let does = format!("write {}", path.display());
        steps.push(Step::new(does, Some(undo), move || {
            write_whole(&path, text.as_bytes(), 0o644)?;
            run("systemctl", &["daemon-reload".into()])
        }));
    }
    let says = |question: &str| {
        Command::new("systemctl").args([question, "--quiet", NAME]).status().is_ok_and(|s| s.success())
    };
    if !has_unit || !says("is-enabled") {
        steps.push(Step::command(
            format!("start {NAME} with the machine"),
            Some(format!("systemctl disable {NAME}")),
            "systemctl",
            &["enable", "--quiet", NAME],
        ));
    }
    let (verb, undo) = match says("is-active") {
        true if has_changed => ("restart", None),
        true => return,
        false => ("start", Some(format!("systemctl stop {NAME}"))),
    };
    let home = place.clone();
    steps.push(Step::new(format!("{verb} {NAME}"), undo, move || {
        run("systemctl", &[verb.into(), NAME.into()])?;
        come_up(&home)
    }));
}

/// Waits until the queue service answers.
fn come_up(place: &Place) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    while !is_running(place) {
        if Instant::now() > end {
            let told = match is_systemd(place) {
                true => format!("`journalctl -u {NAME}` tells why"),
                false => {
                    let log = std::fs::read_to_string(place.at("setup/log")).unwrap_or_default();
                    let tail: Vec<_> = log.lines().rev().take(5).collect();
                    tail.into_iter().rev().collect::<Vec<_>>().join("; ")
                }
            };
            bail!("the mail system has not come up within {} s: {told}", PATIENCE.as_secs());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// The places where the SMTP server will listen must be free.
fn free_ports(place: &Place) -> Result<()> {
    for address in listening(place) {
        match TcpListener::bind(address) {
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                bail!(
                    "another program listens on {address}{}; stop it first, or write another address:port into {}, or give --no-service",
                    super::listener::who(address.port()).map(|who| format!(" ({who})")).unwrap_or_default(),
                    place.at("control/smtplisten").display()
                );
            }
            // A machine without IPv6 says so at the start; the rest is for the program that listens.
            _ => {}
        }
    }
    Ok(())
}

fn listening(place: &Place) -> Vec<SocketAddr> {
    match std::fs::read_to_string(place.at("control/smtplisten")) {
        Ok(text) => text.lines().filter_map(|line| line.trim().parse().ok()).collect(),
        Err(_) => vec![(Ipv4Addr::UNSPECIFIED, 25).into(), (Ipv6Addr::UNSPECIFIED, 25).into()],
    }
}
