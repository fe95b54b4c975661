//! Where this installation lives, and who owns its parts.

use crate::process::is_privileged_exec;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::{env, io};

/// The home directory unless told otherwise (conf-qmail).
pub const DEFAULT_HOME: &str = "/var/qmail";

/// The QMAIL directory: `QUAIL_HOME` where it is set, else [`DEFAULT_HOME`].
///
/// A setuid program ignores the variable: whoever may set it is not whom the program works for. A relative
/// value is ignored too, since programs change directory.
pub fn home() -> PathBuf {
    match env::var_os("QUAIL_HOME").map(PathBuf::from) {
        Some(path) if path.is_absolute() && !is_privileged_exec() => path,
        _ => PathBuf::from(DEFAULT_HOME),
    }
}

/// True in the rootless form: not root, and `QUAIL_HOME` names a private installation. All identities are then
/// the caller.
pub fn is_rootless() -> bool {
    !nix::unistd::geteuid().is_root() && env::var_os("QUAIL_HOME").is_some() && !is_privileged_exec()
}

/// Who the roles are in this installation, read from the owners of its directories, so that no program needs
/// the account database for it (and none runs name-service modules with privilege).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Owners {
    /// qmailq: owner of `queue/mess`.
    pub queue: u32,
    /// qmails: owner of `queue/info`.
    pub send: u32,
    /// alias: owner of `alias`.
    pub alias: u32,
}

impl Owners {
    /// Reads them below `home`. A missing `alias` directory gives the queue's owner.
    pub fn of(home: &Path) -> io::Result<Self> {
        let owner = |path: &str| home.join(path).metadata().map(|m| m.uid());
        let queue = owner("queue/mess")?;
        Ok(Self { queue, send: owner("queue/info").unwrap_or(queue), alias: owner("alias").unwrap_or(queue) })
    }
}
