//! Lists of recipients that exist: control/validrcptto, morevalidrcptto.cdb and validrcptto.cdb (contract 16.1).

use cdb::{Cdb, ReadError};
use control::{Control, ControlError};
use std::collections::HashSet;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// What the lists say about a recipient.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Listed {
    /// He is to be accepted, without further questions.
    Good,
    /// He is to be refused.
    Bad,
    /// Nothing.
    Unknown,
}

/// The lists.
#[derive(Debug, Default)]
pub struct ValidRecipients {
    /// control/validrcptto: `address`, `-address`, `@domain`, `-@domain`, lower-case.
    pub lines: HashSet<Vec<u8>>,
    /// control/morevalidrcptto.cdb: the same as keys.
    pub more: Option<Cdb>,
    /// control/validrcptto.cdb: every recipient there is, `address` or `@domain`; whoever is not in it is not there.
    pub all: Option<Cdb>,
}

/// A file of the lists cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// As a list.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// As a database.
    #[error("unable to open {file}: {}", os::strerror::of(source))]
    Database {
        /// The whole path.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl ValidRecipients {
    /// Reads them. `variable` names other files: VALIDRCPTTO, MOREVALIDRCPTTO_CDB, VALIDRCPTTO_CDB, relative to `home`.
    pub fn read(
        home: &Path,
        control: &Control,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, ListError> {
        let named = |name: &str| variable(name).filter(|path| !path.is_empty()).map(|path| home.join(path));
        let list = match named("VALIDRCPTTO") {
            // Joined to the directory, an absolute path stays what it is.
            Some(path) => control.list(&path.to_string_lossy())?,
            None => control.list("validrcptto")?,
        };
        let database = |variable: &str, name: &str| {
            open(named(variable).unwrap_or_else(|| control.directory().join(name)))
        };
        Ok(Self {
            lines: list.unwrap_or_default().into_iter().map(|line| line.to_ascii_lowercase()).collect(),
            more: database("MOREVALIDRCPTTO_CDB", "morevalidrcptto.cdb")?,
            all: database("VALIDRCPTTO_CDB", "validrcptto.cdb")?,
        })
    }

    /// What they say about `recipient`. Good goes before bad, the address before its domain.
    pub fn judge(&self, recipient: &[u8]) -> Result<Listed, ReadError> {
        if self.lines.is_empty() && self.more.is_none() && self.all.is_none() {
            return Ok(Listed::Unknown);
        }
        let address = recipient.to_ascii_lowercase();
        let Some(domain) = memchr::memrchr(b'@', &address).and_then(|at| address.get(at..)) else {
            return Ok(Listed::Unknown);
        };
        for name in [&address, domain] {
            if self.lists(name)? {
                return Ok(Listed::Good);
            }
            if self.lists(&[b"-", name].concat())? {
                return Ok(Listed::Bad);
            }
        }
        match &self.all {
            None => Ok(Listed::Unknown),
            Some(all) if all.find(&address)?.is_some() || all.find(domain)?.is_some() => Ok(Listed::Good),
            Some(_) => Ok(Listed::Bad),
        }
    }

    fn lists(&self, name: &[u8]) -> Result<bool, ReadError> {
        let in_more = || self.more.as_ref().map_or(Ok(false), |more| Ok(more.find(name)?.is_some()));
        if self.lines.contains(name) { Ok(true) } else { in_more() }
    }
}

fn open(file: PathBuf) -> Result<Option<Cdb>, ListError> {
    match Cdb::open(&file) {
        Ok(database) => Ok(Some(database)),
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ListError::Database { file, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(directory: &Path, name: &str, keys: &[&str]) {
        let mut writer = cdb::Writer::new(std::fs::File::create(directory.join(name)).unwrap()).unwrap();
        keys.iter().for_each(|key| writer.add(key.as_bytes(), b"").unwrap());
        writer.finish().unwrap();
    }

    fn read(arrange: impl FnOnce(&Path)) -> ValidRecipients {
        let home = tempfile::tempdir().unwrap();
        let control = home.path().join("control");
        std::fs::create_dir(&control).unwrap();
        arrange(&control);
        let variable = |name: &str| (name == "VALIDRCPTTO").then(|| "control/names".into());
        let named = control.join("names").exists();
        let variable = |name: &str| if named { variable(name) } else { None };
        ValidRecipients::read(home.path(), &Control::at(home.path()), variable).unwrap()
    }

    #[test]
    fn an_address_goes_before_its_domain_and_good_before_bad() {
        use Listed::{Bad, Good, Unknown};
        let lines = "Joe@A.example\n-ann@a.example\n@a.example\n-@b.example\nbob@b.example\n-bob@b.example\n";
        let cases = [
            ("joe@a.example", Good),
            ("ANN@a.example", Bad),
            ("who@a.example", Good),
            ("who@b.example", Bad),
            ("bob@b.example", Good),
            ("who@c.example", Unknown),
            ("postmaster", Unknown),
        ];
        let keys: Vec<String> = lines.to_ascii_lowercase().lines().map(str::to_owned).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        for list in [
            read(|control| std::fs::write(control.join("validrcptto"), lines).unwrap()),
            read(|control| std::fs::write(control.join("names"), lines).unwrap()),
            read(|control| database(control, "morevalidrcptto.cdb", &keys)),
        ] {
            for (recipient, expected) in cases {
                assert_eq!(list.judge(recipient.as_bytes()).unwrap(), expected, "{recipient}");
            }
        }
        assert_eq!(read(|_| ()).judge(b"joe@a.example").unwrap(), Unknown);
    }

    #[test]
    fn whoever_is_not_in_the_list_of_all_is_not_there() {
        let list = read(|control| database(control, "validrcptto.cdb", &["joe@a.example", "@b.example"]));
        for (recipient, expected) in [
            ("JOE@a.example", Listed::Good),
            ("ann@a.example", Listed::Bad),
            ("ann@b.example", Listed::Good),
            ("ann@c.example", Listed::Bad),
            ("postmaster", Listed::Unknown),
        ] {
            assert_eq!(list.judge(recipient.as_bytes()).unwrap(), expected, "{recipient}");
        }
    }
}
