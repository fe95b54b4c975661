//! `cargo xtask bench`: release programs, and the load generator on them.

use crate::{debian, tree};
use anyhow::{Context, Result};
use std::process::Command;

/// The packages of other servers that a run can use.
const PEERS: [(&str, &str); 2] = [("postfix", "postfix"), ("exim", "exim4-daemon-light")];

/// Builds for release and runs `quail-bench`; arguments go to it as they are.
pub fn run(args: &[String]) -> Result<bool> {
    let mut packages = tree::program_packages()?;
    packages.push("quail-bench".to_owned());
    crate::terminal::say("building for release ...");
    let bin = tree::build(&packages, true)?;
    // Every server's queue and Maildirs lie here: on the disk of the build, which is no memory file system.
    let disk = tree::target().join("bench-disk");
    std::fs::create_dir_all(&disk).with_context(|| format!("cannot make {}", disk.display()))?;
    let status = Command::new(bin.join("quail-bench"))
        .env("QUAIL_PROGRAMS", &bin)
        .env("QUAIL_PEERS", debian::unpack(&wanted(args)))
        .env("QUAIL_TOP", tree::top())
        .env("TMPDIR", &disk)
        .args(args)
        .status()
        .context("cannot run quail-bench")?;
    Ok(status.success())
}

/// The packages that these arguments ask for; the short run is beside Postfix alone.
fn wanted(args: &[String]) -> Vec<&'static str> {
    let list = args.iter().skip_while(|a| *a != "--peers").nth(1);
    let is_wanted = |name: &str| match list {
        Some(list) => list.split(',').any(|wanted| wanted == name),
        None => name == "postfix" || !args.iter().any(|a| a == "--quick"),
    };
    PEERS.iter().filter(|(name, _)| is_wanted(name)).map(|(_, package)| *package).collect()
}
