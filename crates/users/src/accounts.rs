//! The account rules of qmail-getpw(8).
//!
//! The longest prefix of the local part that is an account controls it. Prefixes are cut at the break character,
//! `-`, and are lower-cased for the lookup. An account counts when its uid is not 0 and its home exists and is
//! its own: an account whose home another one owns is not trusted with mail. Nobody: account alias, with the
//! whole local part as extension.

use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use contracts::lookup::Owner;

/// Cuts user from extension (conf-break).
pub const BREAK: u8 = b'-';

/// No account name is longer (LOGIN_NAME_MAX). The original stopped at 31 bytes (D43); some end there must be, or
/// a long local part full of hyphens buys hundreds of lookups in somebody's directory server.
pub const NAME_MAX_BYTES: usize = 255;

/// The account that gets what belongs to nobody.
pub const ALIAS: &str = "alias";

/// An account as the machine knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    /// In its own spelling.
    pub name: Vec<u8>,
    /// User id.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Home directory.
    pub home: Vec<u8>,
}

/// What the rules ask the machine. Tests answer from a table.
pub trait Machine {
    /// The account of that name; an error says that nobody knows at the moment.
    fn account(&self, name: &[u8]) -> io::Result<Option<Account>>;
    /// Who owns the home directory; `None` when there is none to be seen.
    fn home_owner(&self, home: &[u8]) -> io::Result<Option<u32>>;
}

/// Cannot say who owns the address, because …
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// A home directory cannot be looked at for now.
    #[error("cannot look at a home directory")]
    Home(#[source] io::Error),
    /// There is no account alias.
    #[error("there is no account {ALIAS}")]
    NoAlias,
    /// The account database does not answer (D37: the original took this for "no such user").
    #[error("the account database does not answer")]
    Accounts(#[source] io::Error),
}

impl LookupError {
    /// The exit code of qmail-getpw(8).
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Home(_) => 115,
            Self::NoAlias => 116,
            Self::Accounts(_) => 118,
        }
    }
}

/// Who controls `local`.
pub fn owner(machine: &impl Machine, local: &[u8]) -> Result<Owner, LookupError> {
    let cuts = local.iter().enumerate().rev().filter(|(_, byte)| **byte == BREAK).map(|(at, _)| at);
    for cut in std::iter::once(local.len()).chain(cuts) {
        let (name, rest) = local.split_at(cut);
        if name.is_empty() || name.len() > NAME_MAX_BYTES {
            continue;
        }
        if let Some(account) = trusted(machine, &name.to_ascii_lowercase())? {
            return Ok(match rest.split_first() {
                None => owned_by(account, b"", b""),
                Some((_, ext)) => owned_by(account, b"-", ext),
            });
        }
    }
    let alias =
        machine.account(ALIAS.as_bytes()).map_err(LookupError::Accounts)?.ok_or(LookupError::NoAlias)?;
    Ok(owned_by(alias, b"-", local))
}

fn trusted(machine: &impl Machine, name: &[u8]) -> Result<Option<Account>, LookupError> {
    let Some(account) = machine.account(name).map_err(LookupError::Accounts)? else { return Ok(None) };
    if account.uid == 0 {
        return Ok(None);
    }
    let owner = machine.home_owner(&account.home).map_err(LookupError::Home)?;
    Ok(Some(account).filter(|account| owner == Some(account.uid)))
}

fn owned_by(account: Account, dash: &[u8], ext: &[u8]) -> Owner {
    let Account { name, uid, gid, home } = account;
    Owner { user: name, uid, gid, home, dash: dash.to_vec(), ext: ext.to_vec() }
}

/// The accounts of this machine, by the C library's name service.
#[derive(Clone, Copy, Debug)]
pub struct SystemAccounts;

impl Machine for SystemAccounts {
    fn account(&self, name: &[u8]) -> io::Result<Option<Account>> {
        // A name that is not UTF-8 or holds a NUL is no account's.
        let Some(name) = std::str::from_utf8(name).ok().filter(|name| !name.contains('\0')) else {
            return Ok(None);
        };
        match nix::unistd::User::from_name(name) {
            Ok(user) => Ok(user.map(|user| Account {
                name: user.name.into_bytes(),
                uid: user.uid.as_raw(),
                gid: user.gid.as_raw(),
                home: path_bytes(user.dir),
            })),
            // Some name services say "not found" so (getpwnam_r(3)).
            Err(nix::errno::Errno::ENOENT | nix::errno::Errno::ESRCH) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn home_owner(&self, home: &[u8]) -> io::Result<Option<u32>> {
        home_owner(Path::new(std::ffi::OsStr::from_bytes(home)))
    }
}

/// The one account of a rootless system: everybody's mail is the caller's, below `home/alias` unless users/cdb
/// says otherwise. The machine's other accounts are not asked: their homes are not ours to write to, and the
/// caller's own real home is no place for a try-out's mail.
#[derive(Clone, Debug)]
pub struct Rootless {
    /// The QMAIL directory.
    pub home: PathBuf,
    /// The caller.
    pub uid: u32,
    /// The caller's group.
    pub gid: u32,
}

impl Machine for Rootless {
    fn account(&self, name: &[u8]) -> io::Result<Option<Account>> {
        let home = path_bytes(self.home.join("alias"));
        let account = Account { name: name.to_vec(), uid: self.uid, gid: self.gid, home };
        Ok(Some(account).filter(|account| account.name == ALIAS.as_bytes()))
    }

    fn home_owner(&self, home: &[u8]) -> io::Result<Option<u32>> {
        home_owner(Path::new(std::ffi::OsStr::from_bytes(home)))
    }
}

/// Our own effective uid and gid.
pub fn caller() -> (u32, u32) {
    (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw())
}

fn home_owner(home: &Path) -> io::Result<Option<u32>> {
    use nix::errno::Errno::{EACCES, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR};
    match std::fs::metadata(home) {
        Ok(found) => Ok(Some(found.uid())),
        Err(error) => match error.raw_os_error().map(nix::errno::Errno::from_raw) {
            // These will be the same tomorrow. Anything else may be a file server that sleeps.
            Some(EACCES | ELOOP | ENAMETOOLONG | ENOENT | ENOTDIR) => Ok(None),
            _ => Err(error),
        },
    }
}

fn path_bytes(path: PathBuf) -> Vec<u8> {
    path.into_os_string().into_vec()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// name, uid, owner of the home (0: temporarily unknown).
    struct Table(Vec<(&'static str, u32, Option<u32>)>);

    impl Machine for Table {
        fn account(&self, name: &[u8]) -> io::Result<Option<Account>> {
            if name == b"down" {
                return Err(io::ErrorKind::TimedOut.into());
            }
            Ok(self.0.iter().find(|(known, _, _)| known.as_bytes() == name).map(|(known, uid, _)| Account {
                name: known.as_bytes().to_vec(),
                uid: *uid,
                gid: *uid,
                home: known.as_bytes().to_vec(),
            }))
        }
        fn home_owner(&self, home: &[u8]) -> io::Result<Option<u32>> {
            match self.0.iter().find(|(known, _, _)| known.as_bytes() == home) {
                Some((_, _, Some(0))) => Err(io::ErrorKind::TimedOut.into()),
                Some((_, _, owner)) => Ok(*owner),
                None => Ok(None),
            }
        }
    }

    fn table() -> Table {
        Table(vec![
            ("joe", 1, Some(1)),
            ("joe-bob", 2, Some(2)),
            ("alias", 3, Some(3)),
            ("zero", 0, Some(0)),
            ("other", 4, Some(1)),
            ("nohome", 5, None),
            ("nfs", 6, Some(0)),
            ("a-name-of-more-than-thirty-one-bytes", 7, Some(7)),
        ])
    }

    #[test]
    fn the_longest_account_wins() {
        let rows = [
            ("joe", "joe", "", ""),
            ("JOE", "joe", "", ""),
            ("joe-", "joe", "-", ""),
            ("joe--X", "joe", "-", "-X"),
            ("Joe-Bob-X", "joe-bob", "-", "X"),
            ("joe-bobx", "joe", "-", "bobx"),
            ("joex", "alias", "-", "joex"),
            ("-x", "alias", "-", "-x"),
            ("-", "alias", "-", "-"),
            ("zero", "alias", "-", "zero"),
            ("other-x", "alias", "-", "other-x"),
            ("nohome", "alias", "-", "nohome"),
            ("alias-x", "alias", "-", "x"),
            ("a-name-of-more-than-thirty-one-bytes-e", "a-name-of-more-than-thirty-one-bytes", "-", "e"),
        ];
        for (local, user, dash, ext) in rows {
            let got = owner(&table(), local.as_bytes()).unwrap();
            assert_eq!(
                (&got.user[..], &got.dash[..], &got.ext[..]),
                (user.as_bytes(), dash.as_bytes(), ext.as_bytes()),
                "{local}"
            );
        }
    }

    #[test]
    fn not_knowing_is_not_the_same_as_nobody() {
        assert_eq!(owner(&table(), b"down-x").unwrap_err().exit_code(), 118);
        assert_eq!(owner(&table(), b"nfs").unwrap_err().exit_code(), 115);
        assert_eq!(owner(&Table(vec![]), b"joe").unwrap_err().exit_code(), 116);
    }

    #[test]
    fn without_root_all_that_users_cdb_does_not_know_is_alias() {
        let machine = Rootless { home: "/q".into(), uid: 1000, gid: 100 };
        let got = owner(&machine, b"root-x").unwrap();
        assert_eq!(
            (&got.user[..], got.uid, &got.home[..], &got.ext[..]),
            (&b"alias"[..], 1000, &b"/q/alias"[..], &b"root-x"[..])
        );
    }

    #[test]
    fn a_local_part_of_hyphens_costs_a_bounded_number_of_lookups() {
        struct Counting(std::cell::Cell<usize>);
        impl Machine for Counting {
            fn account(&self, _: &[u8]) -> io::Result<Option<Account>> {
                self.0.set(self.0.get() + 1);
                Ok(None)
            }
            fn home_owner(&self, _: &[u8]) -> io::Result<Option<u32>> {
                Ok(None)
            }
        }
        let machine = Counting(Default::default());
        assert!(owner(&machine, &[b'-'; 1000]).is_err());
        assert!(machine.0.get() <= NAME_MAX_BYTES + 1);
    }

    proptest! {
        #[test]
        fn the_parts_make_the_whole(local in "[JjOoEeb-]{0,12}") {
            let got = owner(&table(), local.as_bytes()).unwrap();
            let whole = match &got.user[..] {
                b"alias" => got.ext,
                user => [user, &got.dash, &got.ext].concat(),
            };
            prop_assert!(whole.eq_ignore_ascii_case(local.as_bytes()));
        }
    }
}
