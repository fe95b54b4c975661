//! Whom the programs run as.

use nix::unistd::{Group, User};
use os::process::Identity;

/// Identities of the programs; all `None` in the rootless form, where everybody is the caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Roles {
    /// root:qmail, for `qmail-lspawn`.
    pub root: Option<Identity>,
    /// qmaild:nofiles, for `qmail-smtpd`.
    pub daemon: Option<Identity>,
    /// qmaill:nofiles, for the logger.
    pub log: Option<Identity>,
    /// qmailq:qmail, for `qmail-clean` and `qmail-queued`.
    pub queue: Option<Identity>,
    /// qmailr:qmail, for `qmail-rspawn`.
    pub remote: Option<Identity>,
    /// qmails:qmail, for `qmail-send`.
    pub send: Option<Identity>,
}

/// An account or group that the installation needs is not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("unable to find {kind} {name}")]
pub struct MissingAccount {
    kind: &'static str,
    name: &'static str,
}

impl Roles {
    /// Looks the names up in the account database of this machine.
    pub fn of_this_machine() -> Result<Self, MissingAccount> {
        let (qmail, nofiles) = (group("qmail")?, group("nofiles")?);
        let role = |name, gid| user(name).map(|uid| Some(Identity { uid, gid }));
        Ok(Self {
            root: Some(Identity { uid: 0, gid: qmail }),
            daemon: role("qmaild", nofiles)?,
            log: role("qmaill", nofiles)?,
            queue: role("qmailq", qmail)?,
            remote: role("qmailr", qmail)?,
            send: role("qmails", qmail)?,
        })
    }
}

fn user(name: &'static str) -> Result<u32, MissingAccount> {
    let found = User::from_name(name).ok().flatten();
    found.map(|user| user.uid.as_raw()).ok_or(MissingAccount { kind: "user", name })
}

fn group(name: &'static str) -> Result<u32, MissingAccount> {
    let found = Group::from_name(name).ok().flatten();
    found.map(|group| group.gid.as_raw()).ok_or(MissingAccount { kind: "group", name })
}
