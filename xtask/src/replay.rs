//! `cargo xtask replay`: the recorded answers of the original, asked of our programs.

use crate::tree;
use anyhow::{Context, Result};
use std::process::Command;

/// Programs that a scenario of the whole system needs.
const SYSTEM: [&str; 7] = ["root", "qmailq", "qmails", "qmailr", "qmailp", "recipient", "caller"];

/// Builds what the named programs need and replays their cases; options go to `vectors/run.py` as they are.
pub fn run(args: &[String]) -> Result<bool> {
    let mut packages: Vec<String> = Vec::new();
    let mut all = true;
    let programs = tree::programs()?;
    for name in args {
        if name == "system" || name == "qmail-lspawn" || name == "qmail-rspawn" {
            all = false;
            packages.extend(SYSTEM.iter().map(|identity| format!("programs-{identity}")));
        } else if let Some(program) = programs.iter().find(|p| &p.name == name) {
            all = false;
            packages.push(program.package.clone());
        }
    }
    if all {
        packages = tree::program_packages()?;
    }
    packages.sort();
    packages.dedup();
    let bin = tree::build(&packages, false)?;
    let status = script(&bin).args(args).status().context("cannot run python3")?;
    Ok(status.success())
}

/// The replay script on a directory of built programs.
pub fn script(bin: &std::path::Path) -> Command {
    let mut command = Command::new("python3");
    command.arg(tree::top().join("tests/vectors/run.py")).arg("--bin").arg(bin);
    command
}
