//! `quail passwd`: the virtual users of `users/passwords`, one at a time (quail-checkpassword(8)).

use crate::page::say;
use anyhow::{Context, Result, bail, ensure};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use passwords::record::{Owner, Record};
use passwords::{file, hash};
use std::io::{BufRead, IsTerminal, Read, Write};
use std::path::PathBuf;

/// Longer ones do not fit into checkpassword's interface beside a name and a time stamp.
const PASSWORD_MAX_BYTES: usize = 256;

/// What is to be done, as the command line says it.
#[derive(Debug, clap::Args)]
pub struct Request {
    /// The name that is given as USER, often an address
    login: String,
    /// The account, or UID.GID, that programs for this user run as; needed for a new user
    #[arg(long)]
    owner: Option<String>,
    /// The directory in which the user's Maildir is; needed for a new user
    #[arg(long)]
    home: Option<PathBuf>,
    /// Keep the password as it is, not a hash: APOP needs that, and so does a thief
    #[arg(long)]
    apop: bool,
    /// Remove the user
    #[arg(long, conflicts_with_all = ["owner", "home", "apop"])]
    remove: bool,
}

/// Carries a request out, and says what happened.
pub fn run(request: &Request) -> Result<()> {
    let path = os::home::home().join(file::PLACE);
    let login = request.login.as_bytes();
    let failed = || format!("cannot change {}", path.display());
    if request.remove {
        let existed = file::change::<anyhow::Error>(&path, login, |_| Ok(None)).with_context(failed)?;
        ensure!(existed, "there is no {} in {}", request.login, path.display());
        say(&format!("{} is removed.", request.login));
        return Ok(());
    }
    let known = file::find(&path, login).with_context(|| format!("cannot read {}", path.display()))?.record;
    // Asked for now, so that nobody types a password in vain.
    person(request, known)?;
    let password = read_password()?;
    let hash = if request.apop { [hash::PLAIN, &password[..]].concat() } else { hash::fresh(&password)? };
    let existed = file::change::<anyhow::Error>(&path, login, |known| {
        let (owner, home) = person(request, known)?;
        let record = Record { login: login.to_vec(), hash, owner, home };
        Ok(Some(record.line().context("that cannot be written into a line")?))
    });
    let existed = existed.with_context(failed)?;
    say(&format!("{} {}.", request.login, if existed { "has a new password" } else { "is added" }));
    Ok(())
}

/// Owner and home: as asked for, else as they were.
fn person(request: &Request, known: Option<Record>) -> Result<(Owner, PathBuf)> {
    let asked = match &request.owner {
        Some(text) => Some(Owner::parse(text).with_context(|| format!("{text} cannot own mail"))?),
        None => None,
    };
    let (known_owner, known_home) = known.map(|record| (record.owner, record.home)).unzip();
    match (asked.or(known_owner), request.home.clone().or(known_home)) {
        (Some(owner), Some(home)) => Ok((owner, home)),
        _ => bail!("{} is new: say --owner and --home", request.login),
    }
}

/// Twice from a terminal, without an echo; else the first line of the input.
fn read_password() -> Result<Vec<u8>> {
    let mut input = std::io::stdin().lock();
    if !input.is_terminal() {
        return line(&mut input);
    }
    let silent = Silence::begin()?;
    let first = prompted("New password: ", &mut input)?;
    let second = prompted("Once more: ", &mut input)?;
    drop(silent);
    ensure!(first == second, "these were two different passwords");
    Ok(first)
}

fn prompted(words: &str, input: &mut impl BufRead) -> Result<Vec<u8>> {
    let mut terminal = std::io::stderr();
    let _ = terminal.write_all(words.as_bytes()).and_then(|()| terminal.flush());
    let line = line(input);
    let _ = terminal.write_all(b"\n");
    line
}

fn line(input: &mut impl BufRead) -> Result<Vec<u8>> {
    let most = u64::try_from(PASSWORD_MAX_BYTES).unwrap_or(0).saturating_add(2);
    let mut line = Vec::new();
    input.take(most).read_until(b'\n', &mut line).context("cannot read the password")?;
    let password = line.strip_suffix(b"\n").unwrap_or(&line);
    ensure!(!password.is_empty(), "an empty password lets nobody in");
    ensure!(password.len() <= PASSWORD_MAX_BYTES, "the password is longer than {PASSWORD_MAX_BYTES} bytes");
    ensure!(!password.contains(&0), "the password holds a NUL");
    Ok(password.to_vec())
}

/// A terminal that shows nothing of what is typed, for as long as this lives.
struct Silence(Termios);

impl Silence {
    fn begin() -> Result<Self> {
        let before = tcgetattr(std::io::stdin()).context("cannot ask the terminal")?;
        let mut silent = before.clone();
        silent.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(std::io::stdin(), SetArg::TCSAFLUSH, &silent).context("cannot silence the terminal")?;
        Ok(Self(before))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // There is nothing better to do with a terminal that refuses.
        let _ = tcsetattr(std::io::stdin(), SetArg::TCSAFLUSH, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_one_line() {
        assert_eq!(line(&mut &b"secret words \nmore\n"[..]).unwrap(), b"secret words ");
        assert_eq!(line(&mut &[b'x'; 256][..]).unwrap().len(), 256);
        for bad in [&b""[..], b"\n", b"a\0b\n", &[b'x'; 257]] {
            assert!(line(&mut &bad[..]).is_err());
        }
    }

    #[test]
    fn a_new_user_needs_an_owner_and_a_home() {
        let mut request =
            Request { login: "joe".to_owned(), owner: None, home: None, apop: false, remove: false };
        let known = Record::parse(b"joe:x:vmail:/v/joe").unwrap().unwrap();
        assert!(person(&request, None).is_err());
        assert!(person(&request, Some(known.clone())).is_ok());
        request.home = Some("/v/other".into());
        assert!(person(&request, None).is_err());
        assert_eq!(person(&request, Some(known)).unwrap().1, PathBuf::from("/v/other"));
        request.owner = Some("root".to_owned());
        assert!(person(&request, None).is_err());
    }
}
