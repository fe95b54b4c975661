//! qmail-pw2u(8): lines of `users/assign` from lines of an account file (contract 10.2).

use control::{Control, ControlError};
use std::collections::{HashMap, HashSet};
use std::io::{self, BufRead, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::accounts::{ALIAS, BREAK};

/// What to do with home directories.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Homes {
    /// `-o`: an account whose home is missing, or another's, is left out.
    Owned,
    /// `-h`: a missing home is an error; one of another leaves the account out.
    Present,
    /// `-H`: they are not looked at.
    Ignored,
}

/// The command line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// `-/`: extensions are looked for in directories.
    pub dash_slash: bool,
    /// `-o`, `-h`, `-H`.
    pub homes: Homes,
    /// `-u`: names with upper-case letters count, too.
    pub upper_case: bool,
    /// `-cX`, or `-C` for `None`: what cuts a name from an extension.
    pub break_character: Option<u8>,
}

impl Default for Options {
    fn default() -> Self {
        Self { dash_slash: false, homes: Homes::Owned, upper_case: false, break_character: Some(BREAK) }
    }
}

/// The texts that qmail-pw2u(8) prints behind `qmail-pw2u: fatal: `.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// A file below `users/`.
    #[error("unable to read users/{0}")]
    File(&'static str, #[source] ControlError),
    /// The accounts.
    #[error("unable to read input")]
    Input(#[source] io::Error),
    /// The result.
    #[error("unable to write output")]
    Output(#[source] io::Error),
    /// A home directory, with `-h`, or one that cannot be looked at for now.
    #[error("unable to stat {home}")]
    Home {
        /// Which.
        home: String,
        /// Why.
        source: io::Error,
    },
    /// Mail for nobody's address would have no owner.
    #[error("unable to find {ALIAS} user")]
    NoAlias,
    /// users/subusers names somebody who is not there.
    #[error("unable to find {0} user for subuser")]
    NoUser(String),
}

/// Reads account lines from `accounts` and writes assignments.
pub fn generate(
    home: &Path,
    options: Options,
    accounts: &mut dyn BufRead,
    out: &mut dyn Write,
) -> Result<(), GenerateError> {
    let lists = Lists::read(home)?;
    let mut known = HashMap::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        if accounts.read_until(b'\n', &mut line).map_err(GenerateError::Input)? == 0 {
            break;
        }
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        let Some(account) = Account::parse(line).filter(|account| lists.want(account.name, options)) else {
            continue;
        };
        if !is_at_home(&account, options.homes)? {
            continue;
        }
        let owner = account.fields();
        let dash = if options.dash_slash { "-/" } else { "-" };
        if account.name == ALIAS.as_bytes() {
            write(out, &[b"+:", &owner, b":", dash.as_bytes(), b"::\n"])?;
        }
        for name in lists.names_of(account.name) {
            write(out, &[b"=", name, b":", &owner, b":::\n"])?;
            if let Some(cut) = options.break_character {
                write(out, &[b"+", name, &[cut], b":", &owner, b":", dash.as_bytes(), b"::\n"])?;
            }
        }
        known.insert(account.name.to_ascii_lowercase(), owner);
    }
    // The accounts are through: they are shown even if something is missing.
    out.flush().map_err(GenerateError::Output)?;
    if !known.contains_key(ALIAS.as_bytes()) {
        return Err(GenerateError::NoAlias);
    }
    for line in &lists.sub_users {
        sub_user(line, options, &known, out)?;
    }
    write(out, &[&lists.append, b".\n"])?;
    out.flush().map_err(GenerateError::Output)
}

fn write(out: &mut dyn Write, parts: &[&[u8]]) -> Result<(), GenerateError> {
    out.write_all(&parts.concat()).map_err(GenerateError::Output)
}

/// A line of an account file.
struct Account<'a> {
    name: &'a [u8],
    uid: &'a [u8],
    number: u32,
    gid: &'a [u8],
    home: &'a [u8],
}

impl<'a> Account<'a> {
    /// `None` for a line that is none, and for uid 0.
    fn parse(line: &'a [u8]) -> Option<Self> {
        if line.contains(&0) {
            return None;
        }
        let mut fields = line.split(|&b| b == b':');
        let (name, _password, uid, gid, _gecos, home) =
            (fields.next()?, fields.next()?, fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        // What follows the home is the shell; without the colon the line is cut off.
        fields.next()?;
        let number = std::str::from_utf8(uid).ok()?.parse().ok().filter(|number| *number != 0)?;
        Some(Self { name, uid, number, gid, home }).filter(|account| !account.name.is_empty())
    }

    /// `user:uid:gid:home`
    fn fields(&self) -> Vec<u8> {
        [self.name, self.uid, self.gid, self.home].join(&b':')
    }
}

/// Whether the home counts as the account's own.
fn is_at_home(account: &Account<'_>, homes: Homes) -> Result<bool, GenerateError> {
    if homes == Homes::Ignored {
        return Ok(true);
    }
    match std::fs::metadata(std::ffi::OsStr::from_bytes(account.home)) {
        Ok(found) => Ok(found.uid() == account.number),
        Err(error)
            if homes == Homes::Owned
                && matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            Ok(false)
        }
        Err(source) => {
            Err(GenerateError::Home { home: String::from_utf8_lossy(account.home).into_owned(), source })
        }
    }
}

/// `sub:user:pre:`
fn sub_user(
    line: &[u8],
    options: Options,
    known: &HashMap<Vec<u8>, Vec<u8>>,
    out: &mut dyn Write,
) -> Result<(), GenerateError> {
    let mut fields = line.split(|&b| b == b':');
    let (Some(sub), Some(user), Some(prefix), Some(_)) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Ok(());
    };
    let owner = known
        .get(&user.to_ascii_lowercase())
        .ok_or_else(|| GenerateError::NoUser(String::from_utf8_lossy(user).into_owned()))?;
    let dash = if options.dash_slash { b"-/".as_slice() } else { b"-" };
    write(out, &[b"=", sub, b":", owner, b":", dash, b":", prefix, b":\n"])?;
    match options.break_character {
        Some(cut) => write(out, &[b"+", sub, &[cut], b":", owner, b":", dash, b":", prefix, b"-:\n"]),
        None => Ok(()),
    }
}

/// The files below `users/`.
struct Lists {
    include: Option<HashSet<Vec<u8>>>,
    exclude: HashSet<Vec<u8>>,
    names: HashMap<Vec<u8>, Vec<Vec<u8>>>,
    sub_users: Vec<Vec<u8>>,
    append: Vec<u8>,
}

impl Lists {
    fn read(home: &Path) -> Result<Self, GenerateError> {
        let users = Control::in_directory(home.join("users"));
        let list = |name| users.list(name).map_err(|error| GenerateError::File(name, error));
        let set = |lines: Vec<Vec<u8>>| lines.iter().map(|line| line.to_ascii_lowercase()).collect();
        let mut names = HashMap::new();
        for line in list("mailnames")?.unwrap_or_default() {
            let mut parts = line.split(|&b| b == b':');
            let user = parts.next().unwrap_or_default().to_ascii_lowercase();
            if line.contains(&b':') {
                names.insert(user, parts.filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect());
            }
        }
        Ok(Self {
            include: list("include")?.map(set),
            exclude: set(list("exclude")?.unwrap_or_default()),
            names,
            sub_users: list("subusers")?.unwrap_or_default(),
            append: users
                .bytes("append")
                .map_err(|error| GenerateError::File("append", error))?
                .unwrap_or_default(),
        })
    }

    fn want(&self, name: &[u8], options: Options) -> bool {
        let key = name.to_ascii_lowercase();
        self.include.as_ref().is_none_or(|include| include.contains(&key))
            && !self.exclude.contains(&key)
            && (options.upper_case || !name.iter().any(u8::is_ascii_uppercase))
    }

    /// The names by which an account gets mail.
    fn names_of<'a>(&'a self, name: &'a [u8]) -> Vec<&'a [u8]> {
        match self.names.get(&name.to_ascii_lowercase()) {
            Some(names) => names.iter().map(Vec::as_slice).collect(),
            None => vec![name],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assign;
    use proptest::prelude::*;

    fn generated(files: &[(&str, &str)], options: Options, accounts: &[u8]) -> Result<String, GenerateError> {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("users")).unwrap();
        for (name, content) in files {
            std::fs::write(home.path().join("users").join(name), content).unwrap();
        }
        let mut out = Vec::new();
        generate(home.path(), options, &mut &accounts[..], &mut out)?;
        Ok(String::from_utf8_lossy(&out).into_owned())
    }

    const ANY_HOME: Options =
        Options { dash_slash: false, homes: Homes::Ignored, upper_case: false, break_character: Some(b'-') };

    #[test]
    fn what_is_generated_can_be_compiled() {
        let accounts =
            b"root:x:0:0::/root:/bin/sh\nalias:x:7:8::/a:\nJoe:x:9:9::/j:\nann:x:10:9::/n:/bin/sh\n";
        let files = [
            ("mailnames", "ann:ann:Ann.Ex\n"),
            ("subusers", "sub:ann:pre:\n"),
            ("append", "=z:z:1:1:/z:::\n"),
        ];
        let text = generated(&files, ANY_HOME, accounts).unwrap();
        assert!(text.starts_with("+:alias:7:8:/a:-::\n=alias:alias:7:8:/a:::\n"), "{text}");
        assert!(text.contains("+Ann.Ex-:ann:10:9:/n:-::\n") && !text.contains("Joe"), "{text}");
        assert!(text.ends_with("+sub-:ann:10:9:/n:-:pre-:\n=z:z:1:1:/z:::\n.\n"), "{text}");
        assign::parse(text.as_bytes()).unwrap();
    }

    #[test]
    fn an_account_whose_home_is_anothers_is_left_out_and_alias_must_be_there() {
        let error = generated(&[], Options::default(), b"alias:x:4000000:8::/:\n").unwrap_err();
        assert_eq!(error.to_string(), "unable to find alias user");
        let strict = Options { homes: Homes::Present, ..Options::default() };
        let error = generated(&[], strict, b"alias:x:7:8::/no/such/home:\n").unwrap_err();
        assert_eq!(error.to_string(), "unable to stat /no/such/home");
    }

    proptest! {
        #[test]
        fn any_account_file_can_be_read(accounts: Vec<u8>) {
            let _ = generated(&[], ANY_HOME, &accounts);
        }
    }
}
