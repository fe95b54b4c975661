//! Starting a world's programs from any thread.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What is needed to start programs of an installation.
#[derive(Clone, Debug)]
pub struct Caller {
    bin: PathBuf,
    environment: Vec<(String, String)>,
    owner: Option<u32>,
}

impl Caller {
    pub(super) fn new(bin: PathBuf, environment: Vec<(String, String)>, owner: Option<u32>) -> Self {
        Self { bin, environment, owner }
    }

    /// A program of the installation, as whoever the world runs as.
    pub fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.bin.join(name));
        command.env_clear().env("PATH", format!("{}:/usr/bin:/bin", self.bin.display()));
        command.current_dir("/").stdin(Stdio::null());
        if let Some(owner) = self.owner {
            command.uid(owner).gid(owner);
        }
        command.envs(self.environment.iter().map(|(n, v)| (n, v)));
        command
    }

    /// Makes a path belong to whoever the world runs as.
    pub fn own(&self, path: &Path) {
        if let Some(owner) = self.owner {
            chown(path, Some(owner), Some(owner)).expect("root may");
        }
    }
}
