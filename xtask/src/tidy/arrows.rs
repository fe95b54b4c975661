//! Rules about who may depend on whom.

use crate::tree;
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;

/// Bytes in, values out; and judgement. These know nothing of the world.
const WORDS: [&str; 6] = ["address", "message", "smtp", "netstring", "contracts", "schedule"];

/// One crate for each thing on disk, on the net or in the kernel.
const PLACES: [&str; 10] =
    ["os", "control", "cdb", "queue", "users", "passwords", "mailbox", "dns", "tcp-rules", "telemetry"];

/// What root runs, and what runs setuid: every crate it may link. A new name here is code that root runs.
const PRIVILEGED: [(&str, &[&str]); 3] = [
    (
        "programs-root",
        &[
            "address",
            "cdb",
            "contracts",
            "control",
            "os",
            "pop3",
            "spawner",
            "supervise",
            "telemetry",
            "users",
        ],
    ),
    ("programs-checker", &["address", "contracts", "control", "os", "passwords"]),
    ("programs-qmailq", &["address", "contracts", "control", "message", "os", "queue"]),
];

/// Crates of others that privileged programs may link (build-time macros aside).
const PRIVILEGED_FOREIGN: [&str; 7] =
    ["nix", "libc", "bitflags", "cfg-if", "memoffset", "memchr", "thiserror"];

/// And what computes password hashes, for the one program that must (docs/decisions/0041).
const HASHING: [&str; 13] = [
    "argon2",
    "base64ct",
    "blake2",
    "block-buffer",
    "cmov",
    "const-oid",
    "cpufeatures",
    "crypto-common",
    "ctutils",
    "digest",
    "hybrid-array",
    "md-5",
    "typenum",
];

pub fn point_down() -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    let ours = tree::names(&tree::top().join("crates"))?;
    for name in &ours {
        for dependency in dependencies(name)?.iter().filter(|d| ours.contains(d)) {
            let allowed = match rank(name) {
                0 => rank(dependency) == 0,
                1 => rank(dependency) <= 1,
                // A journey imports no other journey.
                _ => rank(dependency) < 2,
            };
            if !allowed {
                complaints.push(format!("{name} -> {dependency}"));
            }
        }
    }
    Ok(complaints)
}

fn rank(name: &str) -> u8 {
    match name {
        name if WORDS.contains(&name) => 0,
        name if PLACES.contains(&name) => 1,
        _ => 2,
    }
}

/// Names in the `[dependencies]` table of a crate of ours. Tests may use what they like.
fn dependencies(name: &str) -> Result<Vec<String>> {
    let path = tree::top().join("crates").join(name).join("Cargo.toml");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let table = text.lines().skip_while(|l| l.trim() != "[dependencies]").skip(1);
    let entries = table.take_while(|l| !l.starts_with('['));
    Ok(entries
        .filter_map(|l| l.split(['.', '=', ' ']).next())
        .filter(|n| !n.is_empty() && !n.starts_with('#'))
        .map(str::to_owned)
        .collect())
}

pub fn privileged_programs_are_small() -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    for (package, ours) in PRIVILEGED {
        for name in linked(package)? {
            let allowed = name == package
                || ours.contains(&name.as_str())
                || PRIVILEGED_FOREIGN.contains(&name.as_str())
                || package == "programs-checker" && HASHING.contains(&name.as_str());
            if !allowed {
                complaints.push(format!("{package} links {name}"));
            }
        }
    }
    Ok(complaints)
}

/// Every crate linked into a package's programs.
fn linked(package: &str) -> Result<BTreeSet<String>> {
    let output =
        tree::cargo(&["tree", "--package", package, "--edges", "normal,no-proc-macro", "--prefix", "none"])
            .output()
            .context("cannot run cargo tree")?;
    if !output.status.success() {
        bail!("cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text
        .lines()
        .filter_map(|l| l.split(' ').next())
        .filter(|n| !n.is_empty())
        .map(str::to_owned)
        .collect())
}
