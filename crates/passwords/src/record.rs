//! A line of `users/passwords`: `LOGIN:HASH:OWNER:HOME`.
//!
//! OWNER is an account of this machine, or `UID.GID`; its mail programs run as that, never as root. HOME is the directory
//! they start in, where the Maildir is. A line that begins with `#` is a comment.

use std::path::PathBuf;

/// Who a virtual user's programs run as.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Owner {
    /// An account, by name.
    Account(String),
    /// Numbers; uid first.
    Numbers(u32, u32),
}

/// A line. The hash is not to be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// As typed by the user, in any case.
    pub login: Vec<u8>,
    /// See [`crate::hash`].
    pub hash: Vec<u8>,
    /// Who the programs run as.
    pub owner: Owner,
    /// Where they start.
    pub home: PathBuf,
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Record")
    }
}

/// A line that gives nobody a mailbox, because …
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoRecord {
    /// Four fields, none of them empty but the hash.
    #[error("it is not LOGIN:HASH:OWNER:HOME")]
    Fields,
    /// Root's numbers, or no numbers and no name.
    #[error("the owner is neither an account nor UID.GID, or it is root")]
    Owner,
    /// Programs are started in whatever directory; only an absolute path says where the home is.
    #[error("the home is not an absolute path")]
    Home,
}

impl Record {
    /// Reads a line without its LF. `None`: an empty one, or a comment.
    pub fn parse(line: &[u8]) -> Option<Result<Self, NoRecord>> {
        let line = line.trim_ascii_end();
        if line.is_empty() || line.starts_with(b"#") { None } else { Some(Self::fields(line)) }
    }

    fn fields(line: &[u8]) -> Result<Self, NoRecord> {
        let fields: Vec<&[u8]> = line.splitn(4, |&b| b == b':').collect();
        let [login, hash, owner, home] = fields.as_slice() else { return Err(NoRecord::Fields) };
        if login.is_empty() || line.contains(&0) {
            return Err(NoRecord::Fields);
        }
        let home = PathBuf::from(os_string(home));
        if !home.is_absolute() {
            return Err(NoRecord::Home);
        }
        let owner = std::str::from_utf8(owner).ok().and_then(Owner::parse).ok_or(NoRecord::Owner)?;
        Ok(Self { login: login.to_vec(), hash: hash.to_vec(), owner, home })
    }

    /// The line, without its LF. An error if a field would be read as something else.
    pub fn line(&self) -> Result<Vec<u8>, NoRecord> {
        use std::os::unix::ffi::OsStrExt;
        let owner = match &self.owner {
            Owner::Account(name) => name.clone(),
            Owner::Numbers(uid, gid) => format!("{uid}.{gid}"),
        };
        let line =
            [&self.login[..], &self.hash, owner.as_bytes(), self.home.as_os_str().as_bytes()].join(&b':');
        match Self::parse(&line) {
            Some(Ok(read)) if read == *self && !line.contains(&b'\n') => Ok(line),
            Some(Err(why)) => Err(why),
            _ => Err(NoRecord::Fields),
        }
    }

    /// Names of mailboxes are the same in any case.
    pub fn is_for(&self, login: &[u8]) -> bool {
        self.login.eq_ignore_ascii_case(login)
    }
}

impl Owner {
    /// Reads the field. Root owns no mailbox.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some((uid, gid)) = text.split_once('.')
            && let (Ok(uid), Ok(gid)) = (uid.parse(), gid.parse())
        {
            return (uid != 0).then_some(Self::Numbers(uid, gid));
        }
        (!text.is_empty() && text != "root").then(|| Self::Account(text.to_owned()))
    }
}

fn os_string(bytes: &[u8]) -> std::ffi::OsString {
    std::os::unix::ffi::OsStringExt::from_vec(bytes.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_are_read() {
        let joe = Record::parse(b"joe@here.example:$y$x:vmail:/home/vmail/joe\r").unwrap().unwrap();
        assert_eq!(joe.owner, Owner::Account("vmail".to_owned()));
        assert_eq!(joe.home, PathBuf::from("/home/vmail/joe"));
        assert!(joe.is_for(b"JOE@Here.example") && !joe.is_for(b"joe"));
        assert_eq!(joe.line().unwrap(), b"joe@here.example:$y$x:vmail:/home/vmail/joe");
        let rows: [(&str, Option<NoRecord>); 9] = [
            ("a::500.500:/a:b", None),
            ("a:b:c", Some(NoRecord::Fields)),
            (":b:c:/d", Some(NoRecord::Fields)),
            ("a:b:c:d", Some(NoRecord::Home)),
            ("a:b::/d", Some(NoRecord::Owner)),
            ("a:b:root:/d", Some(NoRecord::Owner)),
            ("a:b:0.500:/d", Some(NoRecord::Owner)),
            ("a\0:b:c:/d", Some(NoRecord::Fields)),
            ("x", Some(NoRecord::Fields)),
        ];
        for (line, why) in rows {
            assert_eq!(Record::parse(line.as_bytes()).unwrap().err(), why, "{line}");
        }
        for line in ["", "  ", "# a:b:c:/d"] {
            assert_eq!(Record::parse(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn what_would_be_read_differently_is_not_written() {
        let joe = Record::parse(b"joe:x:vmail:/home").unwrap().unwrap();
        let with = |change: fn(&mut Record)| {
            let mut changed = joe.clone();
            change(&mut changed);
            changed.line().is_err()
        };
        assert!(with(|r| r.login = b"a:b".to_vec()));
        assert!(with(|r| r.login = b"#a".to_vec()));
        assert!(with(|r| r.hash = b"{PLAIN}a:b".to_vec()));
        assert!(with(|r| r.hash = b"a\nb".to_vec()));
        assert!(with(|r| r.home = "/a ".into()));
        assert!(with(|r| r.owner = Owner::Account("1.1".to_owned())));
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_the_same(line in r"[a-c:#]{0,3}:[$a.]{0,3}:[a0-1.]{0,3}:/?[a: ]{0,3}") {
            if let Some(Ok(record)) = Record::parse(line.as_bytes()) {
                let written = record.line().unwrap();
                prop_assert_eq!(Record::parse(&written), Some(Ok(record)));
            }
        }
    }
}
