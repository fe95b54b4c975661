//! One thing that `quail setup` does: told, done, and written down with what takes it back.

use crate::place::quoted;
use anyhow::{Context, Result};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, chown};
use std::path::{Path, PathBuf};

/// One step, not taken yet.
pub struct Step {
    /// What it does, in words.
    pub does: String,
    /// A shell command that takes it back; `None`: nothing needs to be taken back.
    pub undo: Option<String>,
    act: Box<dyn Fn() -> Result<()>>,
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Step").field("does", &self.does).field("undo", &self.undo).finish_non_exhaustive()
    }
}

impl Step {
    /// A step.
    pub fn new(does: String, undo: Option<String>, act: impl Fn() -> Result<()> + 'static) -> Self {
        Self { does, undo, act: Box::new(act) }
    }

    /// A step that runs a program of the machine.
    pub fn command(does: String, undo: Option<String>, program: &str, arguments: &[&str]) -> Self {
        let program = program.to_owned();
        let arguments: Vec<String> = arguments.iter().map(|&a| a.to_owned()).collect();
        Self::new(does, undo, move || run(&program, &arguments))
    }

    /// A step that writes a new file whole, or not at all.
    pub fn file(does: String, path: PathBuf, content: String, mode: u32) -> Self {
        let undo = format!("rm -f {}", quoted(&path));
        Self::new(does, Some(undo), move || write_whole(&path, content.as_bytes(), mode))
    }

    /// Takes it.
    pub fn take(&self) -> Result<()> {
        (self.act)().with_context(|| format!("cannot {}", self.does))
    }
}

/// Runs a program of the machine; its own words are part of the error.
pub fn run(program: &str, arguments: &[String]) -> Result<()> {
    let told = format!("{program} {}", arguments.join(" "));
    let done = std::process::Command::new(program)
        .args(arguments)
        .stdin(std::process::Stdio::null())
        .output()
        .with_context(|| format!("cannot run {program}"))?;
    anyhow::ensure!(
        done.status.success(),
        "`{told}` ended with {}: {}",
        done.status,
        String::from_utf8_lossy(&done.stderr).trim()
    );
    Ok(())
}

/// Writes a file beside its place, syncs it, and renames it into place.
pub fn write_whole(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let beside = beside(path);
    let written = (|| {
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(content)?;
        set_mode(&beside, mode)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)
    })();
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written.with_context(|| format!("cannot write {}", path.display()))
}

/// A name in the same directory that nobody else uses.
pub fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}", std::process::id()))
}

/// Sets all twelve bits.
pub fn set_mode(path: &Path, mode: u32) -> std::io::Result<()> {
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode))
}

/// Owner first: a change of owner takes setuid bits away.
pub fn set_owner(path: &Path, uid: u32, gid: u32, mode: u32) -> std::io::Result<()> {
    chown(path, Some(uid), Some(gid))?;
    set_mode(path, mode)
}
