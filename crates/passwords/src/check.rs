//! The judgement: the virtual users of `users/passwords` first, then the machine's accounts.
//!
//! A name that nobody has costs the same as a wrong password.

use crate::hash;
use crate::machine::{Account, Machine};
use crate::question::Question;
use crate::record::{Owner, Record};
use std::io;
use std::path::PathBuf;

/// Where names are looked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sources {
    /// `users/passwords`, unless it is not to be used.
    pub file: Option<PathBuf>,
    /// The machine's accounts.
    pub accounts: bool,
}

/// Who has logged in, and as whom programs run now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Login {
    /// As the user wrote it.
    pub name: Vec<u8>,
    /// Never 0.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Where programs start.
    pub home: PathBuf,
    /// Of the account.
    pub shell: PathBuf,
}

/// Cannot tell, because …
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// `users/passwords` is there, and does not let itself be read.
    #[error("cannot read users/passwords")]
    File(#[source] io::Error),
    /// The account database, or the shadows, do not answer.
    #[error("the account database does not answer")]
    Accounts(#[source] io::Error),
    /// Not enough memory for the hash.
    #[error("cannot compute the hash")]
    Hash(#[source] io::Error),
    /// A virtual user's record names an account that is not there.
    #[error("the owner of a virtual user's mail is no account of this machine, or is root")]
    Owner,
}

/// Who that is; `None`: nobody, or the password is wrong.
pub type Answer = Result<Option<Login>, CheckError>;

/// Judges a question.
pub fn check(question: &Question, sources: &Sources, machine: &impl Machine) -> Answer {
    let found = match &sources.file {
        Some(path) => crate::file::find(path, &question.login).map_err(CheckError::File)?,
        None => Default::default(),
    };
    let Question { login, proof, timestamp } = question;
    let fits = |hash: &[u8]| hash::fits(proof, hash, timestamp).map_err(CheckError::Hash);
    if let Some(record) = found.record {
        if !fits(&record.hash)? {
            return Ok(None);
        }
        return owner(&record, machine).map(|account| Some(login_as(login, account)));
    }
    if sources.accounts
        && let Some(account) = machine.account(login).map_err(CheckError::Accounts)?
        && let Some(hash) = machine.hash(login).map_err(CheckError::Accounts)?
        && account.uid != 0
        && is_hash(&hash)
    {
        return Ok(fits(&hash)?.then(|| login_as(login, account)));
    }
    hash::fits_nobody(proof, found.some_hash.as_deref());
    Ok(None)
}

/// Whether anything fits it. A secret in clear is for `users/passwords` only, where it was written on purpose.
fn is_hash(hash: &[u8]) -> bool {
    hash.starts_with(b"$")
}

fn owner(record: &Record, machine: &impl Machine) -> Result<Account, CheckError> {
    let account = match &record.owner {
        Owner::Numbers(uid, gid) => {
            Account { uid: *uid, gid: *gid, home: PathBuf::new(), shell: "/bin/sh".into() }
        }
        Owner::Account(name) => {
            let account = machine.account(name.as_bytes()).map_err(CheckError::Accounts)?;
            account.filter(|account| account.uid != 0).ok_or(CheckError::Owner)?
        }
    };
    Ok(Account { home: record.home.clone(), ..account })
}

fn login_as(name: &[u8], Account { uid, gid, home, shell }: Account) -> Login {
    Login { name: name.to_vec(), uid, gid, home, shell }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, uid, hash.
    struct Table(Vec<(&'static str, u32, &'static str)>);

    impl Machine for Table {
        fn account(&self, name: &[u8]) -> io::Result<Option<Account>> {
            if name == b"down" {
                return Err(io::ErrorKind::TimedOut.into());
            }
            Ok(self.0.iter().find(|(known, _, _)| known.as_bytes() == name).map(|(known, uid, _)| Account {
                uid: *uid,
                gid: *uid,
                home: format!("/home/{known}").into(),
                shell: "/bin/bash".into(),
            }))
        }
        fn hash(&self, name: &[u8]) -> io::Result<Option<Vec<u8>>> {
            Ok(self
                .0
                .iter()
                .find(|(known, _, _)| known.as_bytes() == name)
                .map(|(_, _, hash)| (*hash).into()))
        }
    }

    /// Of "secret", cheap.
    const HASH: &str = "$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a";

    fn table() -> Table {
        Table(vec![
            ("joe", 1000, HASH),
            ("root", 0, HASH),
            ("locked", 1001, "!"),
            ("empty", 1002, ""),
            ("clear", 1003, "{PLAIN}secret"),
            ("vmail", 500, "*"),
        ])
    }

    fn ask(login: &str, proof: &str, sources: &Sources) -> Answer {
        let question = Question { login: login.into(), proof: proof.into(), timestamp: b"<1.2@h>".to_vec() };
        check(&question, sources, &table())
    }

    #[test]
    fn accounts_are_believed_with_their_password_only() {
        let sources = Sources { file: None, accounts: true };
        let joe = ask("joe", "secret", &sources).unwrap().unwrap();
        assert_eq!((joe.uid, joe.gid, joe.home), (1000, 1000, "/home/joe".into()));
        for (login, proof) in [
            ("joe", "Secret"),
            ("joe", ""),
            ("Joe", "secret"),
            ("nobody", "secret"),
            ("root", "secret"),
            ("locked", "!"),
            ("locked", "secret"),
            ("empty", ""),
            ("clear", "secret"),
            ("vmail", "*"),
        ] {
            assert_eq!(ask(login, proof, &sources).unwrap(), None, "{login} {proof}");
        }
        assert!(matches!(ask("down", "secret", &sources), Err(CheckError::Accounts(_))));
        let none = Sources { file: None, accounts: false };
        assert_eq!(ask("joe", "secret", &none).unwrap(), None);
    }

    #[test]
    fn virtual_users_go_before_accounts() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("passwords");
        let lines = [
            format!("joe@here.example:{HASH}:vmail:/v/joe"),
            "joe:{PLAIN}other:500.501:/v/other".to_owned(),
            format!("gone:{HASH}:no-such:/v"),
        ];
        std::fs::write(&path, lines.join("\n")).unwrap();
        let sources = Sources { file: Some(path), accounts: true };
        let joe = ask("Joe@here.example", "secret", &sources).unwrap().unwrap();
        assert_eq!((joe.uid, joe.gid, joe.home.to_str()), (500, 500, Some("/v/joe")));
        assert_eq!(joe.name, b"Joe@here.example");
        let other = ask("joe", "other", &sources).unwrap().unwrap();
        assert_eq!((other.uid, other.gid), (500, 501));
        assert_eq!(ask("joe", "secret", &sources).unwrap(), None);
        assert!(matches!(ask("gone", "secret", &sources), Err(CheckError::Owner)));
        let unreadable = Sources { file: Some(directory.path().to_path_buf()), accounts: true };
        assert!(matches!(ask("joe", "secret", &unreadable), Err(CheckError::File(_))));
    }
}
