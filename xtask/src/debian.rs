//! Debian packages the tests can use: real peers, unpacked beside each other.
//!
//! Mail servers conflict as installed packages, and nobody wants their system changed by a test. So packages are
//! fetched by name with the package manager and unpacked into a directory under `target`, from where the tests run
//! them with configurations of their own. Libraries they need come along the same way.

use crate::terminal::say;
use crate::tree;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the journeys can use, beside what is installed.
pub const FOR_TESTS: &[&str] = &[
    "postfix",
    "exim4-daemon-light",
    "swaks",
    "mutt",
    "procmail",
    "nsd",
    "ucspi-tcp",
    "fastforward",
    "freecdb",
    "dma",
    "ucf",
    "opensmtpd",
    "dovecot-imapd",
    "bsd-mailx",
    "maildrop",
    "safecat",
    "maildir-filter",
    "bogofilter",
    "mlmmj",
    "daemontools",
    "runit",
    "mailfront",
    "cvm",
    "monitoring-plugins-standard",
    "munin-plugins-core",
    "awstats",
    "fetchmail",
    "mpop",
    "whois",
];

/// Packages that come along with others though their names do not say that they are parts.
const PARTS: [&str; 3] = ["courier-authlib", "bogofilter-bdb", "monitoring-plugins-basic"];

/// How the names of packages end that are parts of others.
const PART_ENDS: [&str; 2] = ["-core", "-common"];

/// Where unpacked packages are: one tree for each, named like the package.
pub fn directory() -> PathBuf {
    tree::target().join("peers")
}

/// Fetches and unpacks what is not there yet; says aloud what could not be had. Returns the directory.
pub fn unpack(packages: &[&str]) -> PathBuf {
    let directory = directory();
    for name in packages {
        let root = directory.join(name);
        if root.join(".complete").exists() {
            continue;
        }
        match fetch(name, &root) {
            Ok(()) => {}
            Err(why) => say(&format!("package {name} cannot be had ({why}): the tests with it are skipped")),
        }
    }
    directory
}

fn fetch(name: &str, root: &Path) -> Result<(), String> {
    if !Path::new("/etc/debian_version").exists() {
        return Err("this is not Debian".to_owned());
    }
    let text = |e: std::io::Error| e.to_string();
    let store = directory().join("archives");
    std::fs::create_dir_all(&store).map_err(text)?;
    let _ = std::fs::remove_dir_all(root);
    std::fs::create_dir_all(root).map_err(text)?;
    refresh_lists();
    for package in missing_with_dependencies(name)? {
        download(&package, &store)?;
        let prefix = format!("{package}_");
        let archive = std::fs::read_dir(&store)
            .map_err(text)?
            .filter_map(Result::ok)
            .find(|e| e.file_name().to_string_lossy().starts_with(&prefix))
            .ok_or_else(|| format!("no archive of {package}"))?;
        run(Command::new("dpkg-deb").arg("-x").arg(archive.path()).arg(root))?;
    }
    std::fs::write(root.join(".complete"), b"").map_err(text)
}

/// The lists are fetched once a run, and only by root; without them the packages are simply not found.
fn refresh_lists() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        if is_root() {
            let _ = quiet(Command::new("apt-get").args(["-q", "update"])).status();
        }
    });
}

fn download(package: &str, store: &Path) -> Result<(), String> {
    let prefix = format!("{package}_");
    let have = std::fs::read_dir(store)
        .map_err(|e| e.to_string())?
        .filter_map(Result::ok)
        .any(|e| e.file_name().to_string_lossy().starts_with(&prefix));
    if have {
        return Ok(());
    }
    run(Command::new("apt-get").args(["-q", "download", package]).current_dir(store))
}

/// The package, and the libraries it needs that are not installed here. What only its set-up scripts want is left out.
fn missing_with_dependencies(name: &str) -> Result<Vec<String>, String> {
    let installed = installed()?;
    let mut wanted = vec![name.to_owned()];
    let mut next = 0;
    while let Some(package) = wanted.get(next).cloned() {
        next += 1;
        for dependency in dependencies(&package)? {
            let is_part = dependency.starts_with("lib")
                || PART_ENDS.iter().any(|end| dependency.ends_with(end))
                || PARTS.contains(&dependency.as_str());
            if is_part && !installed.contains(&dependency) && !wanted.contains(&dependency) {
                wanted.push(dependency);
            }
        }
    }
    Ok(wanted)
}

/// What a package depends on; of alternatives the first.
fn dependencies(package: &str) -> Result<Vec<String>, String> {
    let output = Command::new("apt-cache").args(["depends", "--important", package]).output();
    let output = output.map_err(|e| format!("apt-cache: {e}"))?;
    if !output.status.success() {
        return Err("apt-cache does not know it".to_owned());
    }
    let mut found = Vec::new();
    let mut is_alternative = false;
    for line in String::from_utf8_lossy(&output.stdout).lines().map(str::trim_start) {
        // `|Depends:` says that the next line is an alternative to this one.
        let has_more = line.starts_with('|');
        if let Some(name) = line.trim_start_matches('|').strip_prefix("Depends: ") {
            if !is_alternative {
                found.push(name.trim().split(':').next().unwrap_or_default().to_owned());
            }
            is_alternative = has_more;
        }
    }
    Ok(found)
}

fn installed() -> Result<BTreeSet<String>, String> {
    let listed = Command::new("dpkg-query").args(["-W", "-f", "${db:Status-Abbrev} ${Package}\n"]).output();
    let listed = listed.map_err(|e| format!("dpkg-query: {e}"))?;
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    Ok(text.lines().filter_map(|l| l.strip_prefix("ii  ")).map(|n| n.trim().to_owned()).collect())
}

fn is_root() -> bool {
    std::os::unix::fs::MetadataExt::uid(&match std::fs::metadata("/proc/self") {
        Ok(me) => me,
        Err(_) => return false,
    }) == 0
}

fn quiet(command: &mut Command) -> &mut Command {
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
}

fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    match quiet(command).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{name}: {status}")),
        Err(error) => Err(format!("{name}: {error}")),
    }
}
