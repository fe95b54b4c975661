//! Where things are in the source tree, and how cargo is called on it.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The top of the source tree.
pub fn top() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Where cargo puts what it builds.
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => top().join(dir),
        None => top().join("target"),
    }
}

/// A cargo command at the top of the tree.
pub fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(top()).args(args);
    // Whoever runs this through cargo has these set for xtask itself; they must not leak into what we build.
    for name in ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "CARGO_MANIFEST_PATH"] {
        command.env_remove(name);
    }
    command
}

/// A program of ours and the package that builds it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Program {
    pub name: String,
    pub package: String,
    pub identity: String,
}

/// Every program: one file in `programs/IDENTITY/src/bin` each.
pub fn programs() -> Result<Vec<Program>> {
    let mut found = Vec::new();
    for identity in names(&top().join("programs"))? {
        let bin = top().join("programs").join(&identity).join("src/bin");
        if !bin.is_dir() {
            continue;
        }
        for file in names(&bin)? {
            if let Some(name) = file.strip_suffix(".rs") {
                found.push(Program {
                    name: name.to_owned(),
                    package: format!("programs-{identity}"),
                    identity: identity.clone(),
                });
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The names in a directory, sorted.
pub fn names(dir: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        found.push(entry?.file_name().to_string_lossy().into_owned());
    }
    found.sort();
    Ok(found)
}

/// Builds these packages; returns the directory the programs are in.
pub fn build(packages: &[String], release: bool) -> Result<PathBuf> {
    let mut command = cargo(&["build", "--quiet"]);
    if release {
        command.arg("--release");
    }
    for package in packages {
        command.args(["--package", package]);
    }
    if !command.status().context("cannot run cargo")?.success() {
        bail!("the build failed");
    }
    Ok(target().join(if release { "release" } else { "debug" }))
}

/// The packages of all programs.
pub fn program_packages() -> Result<Vec<String>> {
    let mut packages: Vec<String> = programs()?.into_iter().map(|p| p.package).collect();
    packages.dedup();
    Ok(packages)
}
