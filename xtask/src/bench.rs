//! `cargo xtask bench`: release programs, and the load generator on them.

use crate::{debian, tree};
use anyhow::{Context, Result};
use std::process::Command;

/// Builds for release and runs `quail-bench`; arguments go to it as they are.
pub fn run(args: &[String]) -> Result<bool> {
    let mut packages = tree::program_packages()?;
    packages.push("quail-bench".to_owned());
    crate::terminal::say("building for release ...");
    let bin = tree::build(&packages, true)?;
    let status = Command::new(bin.join("quail-bench"))
        .env("QUAIL_PROGRAMS", &bin)
        .env("QUAIL_PEERS", debian::unpack(&["postfix"]))
        .args(args)
        .status()
        .context("cannot run quail-bench")?;
    Ok(status.success())
}
