//! The machine's accounts and their shadows.

use std::io;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// An account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    /// User id.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Home directory.
    pub home: PathBuf,
    /// Login shell.
    pub shell: PathBuf,
}

/// What the judgement asks the machine. Tests answer from a table.
pub trait Machine {
    /// The account of that name.
    fn account(&self, name: &[u8]) -> io::Result<Option<Account>>;
    /// Its hash, if its password may be used at all.
    fn hash(&self, name: &[u8]) -> io::Result<Option<Vec<u8>>>;
}

/// This machine, by the C library's name service.
#[derive(Clone, Copy, Debug)]
pub struct ThisMachine;

impl Machine for ThisMachine {
    fn account(&self, name: &[u8]) -> io::Result<Option<Account>> {
        let Some(name) = std::str::from_utf8(name).ok().filter(|name| !name.contains('\0')) else {
            return Ok(None);
        };
        match nix::unistd::User::from_name(name) {
            Ok(user) => Ok(user.map(|user| Account {
                uid: user.uid.as_raw(),
                gid: user.gid.as_raw(),
                home: user.dir,
                shell: user.shell,
            })),
            // Some name services say "not found" so (getpwnam_r(3)).
            Err(nix::errno::Errno::ENOENT | nix::errno::Errno::ESRCH) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn hash(&self, name: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let Some(entry) = os::shadow::entry(name)? else { return Ok(None) };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let today = i64::try_from(now.as_secs() / 86_400).unwrap_or(i64::MAX);
        let has_ended = entry.expires.is_some_and(|day| day <= today)
            || entry.inactive_after.is_some_and(|day| day < today);
        Ok((!has_ended).then_some(entry.hash))
    }
}
