//! A program of the installation, about to be started.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use os::process::{Identity, Spawn};

/// Where programs are found.
#[derive(Clone, Debug)]
pub(crate) enum Programs {
    /// By PATH, as qmail-start(8) does.
    ByPath,
    /// In this directory.
    In(PathBuf),
}

impl Programs {
    /// The program of that name; whoever looks at the process list sees the bare name.
    pub fn spawn(&self, name: &str, identity: Option<Identity>) -> Spawn {
        use std::os::unix::process::CommandExt;
        let mut spawn = match self {
            Self::ByPath => Spawn::new(name),
            Self::In(directory) => {
                let mut spawn = Spawn::new(directory.join(name));
                // Deliveries and the spawners find our programs by PATH, as after qmail-start.
                let path = std::env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into());
                let directories = std::env::split_paths(&path).filter(|other| other != directory);
                let path = std::env::join_paths(std::iter::once(directory.clone()).chain(directories));
                spawn.command().env("PATH", path.unwrap_or_else(|_| directory.clone().into()));
                spawn
            }
        };
        // What socket activation told us is not for our children, unless we tell them so.
        let command = spawn.command();
        command.arg0(OsStr::new(name));
        for variable in ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"] {
            command.env_remove(variable);
        }
        if let Some(identity) = identity {
            spawn.identity(identity);
        }
        spawn
    }

    /// The administrator's logger, by PATH.
    pub fn logger(&self, program: &OsStr, arguments: &[OsString], identity: Option<Identity>) -> Spawn {
        let mut spawn = Spawn::new(program);
        spawn.command().args(arguments);
        if let Some(identity) = identity {
            spawn.identity(identity);
        }
        spawn
    }
}

/// Where no PATH is set.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Children get descriptors up to this number.
const HIGHEST_GIVEN: i32 = 70;

/// Occupies the low descriptors for as long as the result lives, so that what is opened later is not in the way when
/// children's descriptors are put under their numbers.
pub(crate) fn occupy_low_descriptors() -> io::Result<Vec<File>> {
    let mut held = Vec::new();
    loop {
        let file = File::open("/dev/null")?;
        if file.as_raw_fd() > HIGHEST_GIVEN {
            return Ok(held);
        }
        held.push(file);
    }
}
