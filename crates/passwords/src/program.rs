//! quail-checkpassword(8): reads a question, judges it, and becomes the program that the user came for.

use crate::check::{CheckError, Login, Sources, check};
use crate::failures::{self, Failures, Try};
use crate::machine::ThisMachine;
use crate::question::{Malformed, QUESTION_MAX_BYTES, Question};
use control::Control;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use os::process::{Identity, Spawn};
use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

/// The password is wrong, or nobody has that name.
pub const REFUSED: u8 = 1;
/// Descriptor 3, or the arguments, are not as they should be.
pub const MISUSED: u8 = 2;
/// It cannot be told now.
pub const TEMPORARY: u8 = 111;

/// A refusal takes at least this long, however soon it was clear.
const REFUSAL_AFTER: Duration = Duration::from_secs(1);

/// Address space while a hash is computed. What follows us gets back what it had.
const ADDRESS_SPACE_BYTES: u64 = 512 << 20;

/// Failures of one address at once, without control file `passwordfailures`.
const FAILURES_AT_ONCE: u64 = 10;

/// Why a program did not start.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("usage: quail-checkpassword [ -s | -v ] program [ argument ... ]")]
    Usage,
    #[error(transparent)]
    Question(#[from] Malformed),
    #[error("cannot read descriptor 3")]
    Descriptor(#[source] io::Error),
    #[error("wrong password, or no such user")]
    Wrong,
    #[error("too many failures of that address")]
    TooOften,
    #[error(transparent)]
    Check(#[from] CheckError),
    #[error("not root, so that it cannot become the user")]
    Privilege,
    #[error("cannot start the program")]
    Start(#[source] io::Error),
}

impl Failure {
    fn code(&self) -> u8 {
        match self {
            Self::Wrong => REFUSED,
            Self::Usage | Self::Question(_) => MISUSED,
            Self::Descriptor(_) | Self::TooOften | Self::Check(_) | Self::Privilege | Self::Start(_) => {
                TEMPORARY
            }
        }
    }
}

/// Returns only if the program was not started: the exit code.
pub fn run(question: Option<impl Read>, home: &Path, arguments: &[OsString]) -> u8 {
    let began = Instant::now();
    let client = std::env::var("TCPREMOTEIP").unwrap_or_default();
    let mut name = Vec::new();
    let failure = match attempt(question, home, arguments, client.parse().ok(), &mut name) {
        Err(failure) => failure,
        Ok(never) => match never {},
    };
    if matches!(failure, Failure::Wrong) {
        std::thread::sleep(REFUSAL_AFTER.saturating_sub(began.elapsed()));
    }
    let source = std::error::Error::source(&failure).map_or(String::new(), |source| format!(": {source}"));
    let line = format!(
        "quail-checkpassword: {} from {}: {failure}{source}\n",
        shown(&name),
        shown(client.as_bytes())
    );
    // Whoever keeps the log may be gone.
    let _ = io::stderr().write_all(line.as_bytes());
    failure.code()
}

fn attempt(
    question: Option<impl Read>,
    home: &Path,
    arguments: &[OsString],
    client: Option<IpAddr>,
    name: &mut Vec<u8>,
) -> Result<std::convert::Infallible, Failure> {
    let (sources, program) = options(home, arguments)?;
    let question = read(question)?;
    name.clone_from(&question.login);
    let charged = charge(home, client)?;
    let login = with_bounded_memory(|| check(&question, &sources, &ThisMachine))?.ok_or(Failure::Wrong)?;
    // A success that stays counted costs its user one try, for a while.
    let _ = charged.map(Try::succeeded);
    drop(question);
    become_user(&login, program)
}

/// `-s`: the machine's accounts only; `-v`: virtual users only.
fn options<'a>(home: &Path, arguments: &'a [OsString]) -> Result<(Sources, &'a [OsString]), Failure> {
    let file = Some(home.join(crate::file::PLACE));
    let both = Sources { file, accounts: true };
    let (sources, program) = match arguments {
        [option, program @ ..] if option == "-s" => (Sources { file: None, ..both }, program),
        [option, program @ ..] if option == "-v" => (Sources { accounts: false, ..both }, program),
        program => (both, program),
    };
    let is_option = |argument: &OsString| argument.as_bytes().starts_with(b"-");
    if program.first().is_none_or(is_option) { Err(Failure::Usage) } else { Ok((sources, program)) }
}

fn read(descriptor: Option<impl Read>) -> Result<Question, Failure> {
    let descriptor = descriptor.ok_or(Failure::Question(Malformed::Incomplete))?;
    let most = u64::try_from(QUESTION_MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::with_capacity(QUESTION_MAX_BYTES.saturating_mul(2));
    descriptor.take(most).read_to_end(&mut bytes).map_err(Failure::Descriptor)?;
    let question = Question::decode(&bytes);
    os::memory::wipe(&mut bytes);
    Ok(question?)
}

/// Without an address, or a file to count in, nothing is counted.
fn charge(home: &Path, client: Option<IpAddr>) -> Result<Option<Try>, Failure> {
    let at_once = control::catalogue::setting("passwordfailures")
        .and_then(|setting| Control::at(home).number(setting, &mut |_| {}).ok())
        .unwrap_or(FAILURES_AT_ONCE);
    let Some(client) = client.filter(|_| at_once > 0) else { return Ok(None) };
    match Failures::open(&home.join(failures::PLACE), at_once)
        .and_then(|f| f.begin(client, SystemTime::now()))
    {
        Ok(None) => Err(Failure::TooOften),
        Ok(charged) => Ok(charged),
        // To let nobody in for want of a file would be worse.
        Err(_) => Ok(None),
    }
}

fn with_bounded_memory<T>(work: impl FnOnce() -> T) -> T {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_AS) else { return work() };
    let _ = setrlimit(Resource::RLIMIT_AS, soft.min(ADDRESS_SPACE_BYTES), hard);
    let result = work();
    let _ = setrlimit(Resource::RLIMIT_AS, soft, hard);
    result
}

fn become_user(login: &Login, program: &[OsString]) -> Result<std::convert::Infallible, Failure> {
    let (command, arguments) = program.split_first().ok_or(Failure::Usage)?;
    let mut spawn = Spawn::new(command);
    let own = nix::unistd::geteuid();
    if own.is_root() {
        spawn.identity(Identity { uid: login.uid, gid: login.gid });
    } else if own.as_raw() != login.uid {
        return Err(Failure::Privilege);
    }
    spawn
        .command()
        .args(arguments)
        .current_dir(&login.home)
        .env("USER", OsStr::from_bytes(&login.name))
        .env("HOME", &login.home)
        .env("SHELL", &login.shell);
    Err(Failure::Start(spawn.exec(&[])))
}

/// For a log: nothing that ends a line or moves a cursor.
fn shown(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "-".to_owned();
    }
    bytes.iter().map(|&b| if b.is_ascii_graphic() { char::from(b) } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(question: &[u8], arguments: &[&str]) -> u8 {
        let home = tempfile::tempdir().unwrap();
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        run(Some(question), home.path(), &arguments)
    }

    #[test]
    fn misuse_is_told_from_refusal() {
        let question = b"no-such-account-here\0x\0<1.2@h>\0";
        assert_eq!(code(question, &[]), MISUSED);
        assert_eq!(code(question, &["-s"]), MISUSED);
        assert_eq!(code(question, &["-x", "true"]), MISUSED);
        assert_eq!(code(b"joe\0x", &["true"]), MISUSED);
        assert_eq!(code(&[b'x'; 600], &["true"]), MISUSED);
        assert_eq!(code(question, &["-v", "true"]), REFUSED);
        assert_eq!(run(None::<&[u8]>, Path::new("/nonexistent"), &["true".into()]), MISUSED);
    }

    #[test]
    fn a_log_line_is_one_line() {
        assert_eq!(shown(b"a b\n\x1b[1mc"), "a?b??[1mc");
        assert_eq!(shown(b""), "-");
    }
}
