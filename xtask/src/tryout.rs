//! `cargo xtask try`: build everything, then hand over to `quail try`.

use crate::tree;
use anyhow::{Context, Result};
use std::process::Command;

/// Runs the private system; arguments go to `quail try` as they are.
pub fn run(args: &[String]) -> Result<bool> {
    crate::terminal::say("building the programs ...");
    let bin = tree::build(&tree::program_packages()?, false)?;
    let status =
        Command::new(bin.join("quail")).arg("try").args(args).status().context("cannot run quail")?;
    Ok(status.success())
}
