//! `quail start`: the supervisor, by another name.

use anyhow::{Result, anyhow};
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Becomes `bin/quail-start` of this installation. Returns only when it cannot.
pub fn run(arguments: &[OsString]) -> Result<()> {
    let home = os::home::home();
    let program = home.join("bin/quail-start");
    let mut path = OsString::from(home.join("bin"));
    if let Some(rest) = std::env::var_os("PATH") {
        path.push(":");
        path.push(rest);
    }
    let error = Command::new(&program).args(arguments).env("PATH", path).exec();
    Err(anyhow!(error).context(format!("cannot run {}", program.display())))
}
