//! A message to ourselves: the proof that the system works, with a time.

use crate::place::Place;
use anyhow::{Context, Result, bail};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A message that has not arrived by then has a reason.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sends a message to an address made for it and removed afterwards; gives the time from handing it over until its file
/// is in the Maildir.
pub fn measure(place: &Place, host: &str) -> Result<Duration> {
    let name = format!("quail-setup-{}", std::process::id());
    let maildir = place.at("alias").join(&name);
    let dot_qmail = place.at("alias").join(format!(".qmail-{name}"));
    let made = Made(vec![dot_qmail.clone(), maildir.clone()]);
    super::aliases::maildir(place, maildir.clone()).take()?;
    super::step::write_whole(&dot_qmail, format!("./{name}/\n").as_bytes(), 0o644)?;
    let begin = Instant::now();
    hand_over(place, &format!("{name}@{host}"))?;
    while !has_file(&maildir.join("new")) {
        if begin.elapsed() > PATIENCE {
            bail!(
                "the message to {name}@{host} has not arrived within {} s; is {host} in {}? `{}` shows where it waits",
                PATIENCE.as_secs(),
                place.at("control/locals").display(),
                place.at("bin/qmail-qread").display()
            );
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let elapsed = begin.elapsed();
    drop(made);
    Ok(elapsed)
}

fn hand_over(place: &Place, address: &str) -> Result<()> {
    let program = place.at("bin/qmail-inject");
    // The null sender: nobody hears of it if it fails.
    let mut child = Command::new(&program)
        .args(["-f", "", "--", address])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {}", program.display()))?;
    if let Some(mut input) = child.stdin.take() {
        write!(input, "From: <postmaster>\nTo: <{address}>\nSubject: quail setup\n\nIt works.\n")?;
    }
    let done = child.wait_with_output()?;
    if !done.status.success() {
        bail!("{}: {}", program.display(), String::from_utf8_lossy(&done.stderr).trim());
    }
    Ok(())
}

fn has_file(directory: &Path) -> bool {
    directory.read_dir().is_ok_and(|mut entries| entries.next().is_some())
}

/// Files and directories that go away with this value.
struct Made(Vec<PathBuf>);

impl Drop for Made {
    fn drop(&mut self) {
        for path in &self.0 {
            let _ = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
        }
    }
}
