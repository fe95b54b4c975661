//! The original, from a directory that somebody has installed it into: its own programs on a queue of their own, behind
//! tcpserver, with the users and control files that ours has.

use super::{Facts, Mta, Routes, quail};
use anyhow::{Result, anyhow};
use quail_tests::peers::original::Original;
use std::path::Path;

/// Starts the one in `directory`.
pub fn start(routes: Routes, directory: &Path) -> Result<Mta> {
    let tcpserver = Original::can_run(directory).map_err(|why| anyhow!(why))?;
    let directory = directory.to_path_buf();
    Mta::start("original", move || {
        let (world, facts) = quail::make(routes, |world| Original::replace_programs(world, &directory))?;
        let version = "as given".to_owned();
        Ok((Original::start(world, &tcpserver), Facts { name: "original", version, ..facts }))
    })
}
