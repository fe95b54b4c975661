//! `cargo xtask differential`: the same journeys on an installed original and on us.

use crate::terminal::say;
use crate::{debian, tree};
use anyhow::{Context, Result};
use std::process::Command;

const NEEDS: &str = "\
cargo xtask differential --original DIR [--only TEXT]

DIR/bin holds the programs of an installed qmail, netqmail or notqmail (1.07 or newer: older ones have account numbers
compiled in). They may be compiled for DIR itself or for /var/qmail; what is installed is copied and left alone. Needs root,
for private accounts and mount name spaces, and Debian's ucspi-tcp and daemontools, which are fetched.";

/// Builds the programs and the comparison, and runs it; arguments go to it as they are.
pub fn run(args: &[String]) -> Result<bool> {
    if !args.iter().any(|arg| arg == "--original") {
        say(NEEDS);
        return Ok(false);
    }
    let mut packages = tree::program_packages()?;
    packages.push("quail-tests".to_owned());
    let bin = tree::build(&packages, false)?;
    let status = Command::new(bin.join("differential"))
        .env("QUAIL_PROGRAMS", &bin)
        .env("QUAIL_PEERS", debian::unpack(&["ucspi-tcp", "daemontools"]))
        .args(args)
        .status()
        .context("cannot run the comparison")?;
    Ok(status.success())
}
