//! What dpkg is told about a package: its fields, its scripts, and the sums of its files.

use super::contents::Contents;
use crate::tree;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Who answers for the packages, unless the environment says `DEBFULLNAME` and `DEBEMAIL`.
const MAINTAINER: &str = "Quail <quail@localhost.localdomain>";

/// Scripts that dpkg runs, where a package has them.
const SCRIPTS: [&str; 4] = ["preinst", "postinst", "prerm", "postrm"];

/// Writes everything below `DEBIAN`; returns the architecture.
pub fn write(package: &str, version: &str, contents: &mut Contents) -> Result<String> {
    let folder = tree::top().join("packaging/debian");
    let template = fs::read_to_string(folder.join(format!("{package}.control")))?;
    let files = files(contents.root())?;
    let kibibytes = files.iter().filter_map(|f| f.symlink_metadata().ok()).map(|m| m.len().div_ceil(1024));
    let size = kibibytes.fold(0_u64, u64::saturating_add).to_string();
    let native = if template.contains("{architecture}") { architecture()? } else { "all".to_owned() };
    let text = template
        .replace("{version}", version)
        .replace("{architecture}", &native)
        .replace("{maintainer}", &maintainer())
        .replace("{size}", &size)
        .replace("{libraries}", &libraries(contents.programs())?);
    contents.written("DEBIAN/control", &text, 0o644)?;
    let sums = sums(contents.root(), &files)?;
    contents.written("DEBIAN/md5sums", &sums, 0o644)?;
    for script in SCRIPTS {
        let from = folder.join(format!("{package}.{script}"));
        if from.exists() {
            contents.written(&format!("DEBIAN/{script}"), &fs::read_to_string(from)?, 0o755)?;
        }
    }
    Ok(native)
}

fn architecture() -> Result<String> {
    let output = Command::new("dpkg").arg("--print-architecture").output();
    let output = output.context("cannot run dpkg; these packages are made on Debian")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn maintainer() -> String {
    match (std::env::var("DEBFULLNAME"), std::env::var("DEBEMAIL")) {
        (Ok(name), Ok(address)) => format!("{name} <{address}>"),
        _ => MAINTAINER.to_owned(),
    }
}

/// The packages of the libraries that Rust programs load: the C library, of the newest version that any of them asks
/// for, and the unwinder.
fn libraries(programs: &[PathBuf]) -> Result<String> {
    let mut newest = (0, 0);
    for program in programs {
        let bytes = fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
        newest = newest.max(c_library(&bytes));
    }
    let (major, minor) = newest;
    Ok(format!("libc6 (>= {major}.{minor}), libgcc-s1"))
}

/// The newest version of the C library that a program asks for: its symbols' versions are strings in it.
fn c_library(program: &[u8]) -> (u32, u32) {
    const MARK: &[u8] = b"GLIBC_";
    let mut newest = (0, 0);
    for at in program.windows(MARK.len()).enumerate().filter_map(|(at, w)| (w == MARK).then_some(at)) {
        let rest = program.get(at.saturating_add(MARK.len())..).unwrap_or_default();
        let end = rest.iter().position(|b| !b.is_ascii_digit() && *b != b'.').unwrap_or(0);
        let version = String::from_utf8_lossy(rest.get(..end).unwrap_or_default()).into_owned();
        let mut parts = version.split('.').filter_map(|p| p.parse().ok());
        if let (Some(major), Some(minor)) = (parts.next(), parts.next()) {
            newest = newest.max((major, minor));
        }
    }
    newest
}

/// All files and links below a folder, in order.
fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(folder) = open.pop() {
        for name in tree::names(&folder)? {
            let path = folder.join(name);
            if path.is_dir() && !path.is_symlink() {
                open.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// What `dpkg --verify` compares with.
fn sums(root: &Path, files: &[PathBuf]) -> Result<String> {
    let names: Vec<&Path> =
        files.iter().filter(|f| !f.is_symlink()).filter_map(|f| f.strip_prefix(root).ok()).collect();
    if names.is_empty() {
        return Ok(String::new());
    }
    let output =
        Command::new("md5sum").current_dir(root).args(names).output().context("cannot run md5sum")?;
    if !output.status.success() {
        bail!("md5sum: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::c_library;

    #[test]
    fn the_newest_version_counts_as_numbers_do() {
        assert_eq!(c_library(b"\0GLIBC_2.9\0GLIBC_2.34\0GLIBC_2.2.5\0GLIBC_PRIVATE\0x"), (2, 34));
        assert_eq!(c_library(b"nothing"), (0, 0));
        assert_eq!(c_library(b"GLIBC_"), (0, 0));
    }
}
