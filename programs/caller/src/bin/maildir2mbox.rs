//! maildir2mbox(1): moves mail from a Maildir to an mbox.
//!
//! Runs as whoever calls it. Logic and tests live in `mailbox::moving`.
#![forbid(unsafe_code)]

use inject::process::say;
use mailbox::moving::{Places, move_all};
use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            say(format!("maildir2mbox: fatal: {text}\n").as_bytes());
            ExitCode::from(111)
        }
    }
}

fn run() -> Result<(), String> {
    // Mail is nobody else's business.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    let (maildir, mbox, temporary) = (place("MAILDIR")?, place("MAIL")?, place("MAILTMP")?);
    let date = |seconds| message::date::DateTime::from_unix(seconds).from_line();
    let places = Places { maildir: &maildir, mbox: &mbox, temporary: &temporary };
    match move_all(places, &date).map_err(|error| error.to_string())? {
        0 => Ok(()),
        left => {
            say(format!("maildir2mbox: warning: {left} files of moved messages cannot be removed\n")
                .as_bytes());
            Ok(())
        }
    }
}

fn place(name: &str) -> Result<PathBuf, String> {
    std::env::var_os(name).map(PathBuf::from).ok_or_else(|| format!("{name} not set"))
}
