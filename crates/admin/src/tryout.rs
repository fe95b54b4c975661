//! `quail try`: a private mail system in a directory of its own, without root, and one message through it.
//!
//! Deliveries are never made as root, so root copies the programs to a place that anybody may read and goes on as
//! `nobody`.

mod story;
mod system;

use crate::page::{say, title};
use anyhow::{Context, Result};
use nix::sys::signal::{SigSet, Signal};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use system::System;

/// Names the scratch directory that root made for the second life of this program.
const SCRATCH: &str = "QUAIL_TRY_SCRATCH";

/// Runs the private system. With `once`, one message and out; otherwise until interrupted.
pub fn run(once: bool) -> Result<()> {
    let programs = programs()?;
    if nix::unistd::geteuid().is_root() {
        return step_down(&programs, once);
    }
    let scratch = match std::env::var_os(SCRATCH) {
        Some(path) => Scratch(PathBuf::from(path)),
        None => Scratch(new_directory()?),
    };
    // Blocked before anything is started, so that an early interrupt is not lost but kept for the wait below.
    let mut interrupts = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        interrupts.add(signal);
    }
    interrupts.thread_block()?;

    let mut system = System::start(&scratch.0, &programs)?;
    let outcome = story::tell(&mut system);
    if outcome.is_err() {
        say("");
        say("The log of the system says:");
        for line in system.log_lines() {
            say(&format!("    {line}"));
        }
    }
    if outcome.is_ok() && !once {
        story::invite(&system);
        interrupts.wait()?;
        title("Stopping");
    }
    system.stop();
    if outcome.is_ok() {
        say(&format!("The system is stopped; {} is removed.", scratch.0.display()));
    }
    outcome
}

/// The directory this program was started from: the other programs lie beside it.
fn programs() -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find this program")?;
    Ok(own.parent().unwrap_or(Path::new("/")).to_path_buf())
}

fn new_directory() -> Result<PathBuf> {
    let made = tempfile::Builder::new().prefix("quail-try-").tempdir().context("cannot make a directory")?;
    Ok(made.keep())
}

/// A directory that goes away with this value. Its emptied shell may stay where only root could remove it.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed stays in the directory for temporary files; there is nobody to tell.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Root's part: a directory with the programs for an unprivileged user, and on as that user.
fn step_down(programs: &Path, once: bool) -> Result<()> {
    use std::os::unix::fs::{PermissionsExt, chown};
    let nobody = nix::unistd::User::from_name("nobody")?.context("there is no user nobody to go on as")?;
    let (uid, gid) = (nobody.uid.as_raw(), nobody.gid.as_raw());
    let scratch = new_directory()?;
    std::fs::set_permissions(&scratch, std::fs::Permissions::from_mode(0o755))?;
    let bin = scratch.join("programs");
    std::fs::create_dir(&bin)?;
    crate::installation::copy_programs(programs, &bin)?;
    chown(&bin, Some(uid), Some(gid))?;
    chown(&scratch, Some(uid), Some(gid))?;
    let mut command = Command::new(bin.join("quail"));
    command
        .arg("try")
        .args(once.then_some("--once"))
        .env(SCRATCH, &scratch)
        .uid(uid)
        .gid(gid)
        .current_dir("/");
    let error = command.exec();
    let _ = std::fs::remove_dir_all(&scratch);
    Err(error).context("cannot go on as nobody")
}
