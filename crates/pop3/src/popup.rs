//! qmail-popup(8): learns who a client says it is, and lets the checking program judge it.
//!
//! The interface is checkpassword's: the program gets name, proof and timestamp on descriptor 3, each ended by a NUL, and
//! the connection on 0 and 1. If it believes the proof it becomes the program that its arguments name. Its exit is our
//! answer only when it was not 0.

use crate::authorization::{Authorization, Claim, Step, greeting, timestamp};
use crate::wire::{Line, PATIENCE, Wire};
use nix::errno::Errno;
use os::process::Spawn;
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A refusal is not heard sooner than this after the question: guessing is slow, and how long a checking program thought
/// says nothing about whom it knows (D57).
pub const REFUSAL_AFTER: Duration = Duration::from_secs(2);

/// One session. Arguments: our host name, the checking program, its arguments. The exit is always 1, as the original's.
pub fn run(wire: &mut Wire, arguments: &[OsString]) -> u8 {
    // What cannot be said any more is not worth an error: the client has gone.
    let _ = match arguments {
        [host, checker @ ..] if !checker.is_empty() => session(wire, host.as_bytes(), checker),
        _ => last(wire, b"-ERR usage: popup hostname subprogram\r\n"),
    };
    1
}

fn session(wire: &mut Wire, host: &[u8], checker: &[OsString]) -> io::Result<()> {
    let began = Instant::now();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let timestamp = timestamp(std::process::id(), now.as_secs(), host);
    wire.say(&greeting(&timestamp))?;
    let mut authorization = Authorization::default();
    // All of it together may take as long as one silence: a stranger is not to hold a place for ever.
    let end = began.checked_add(PATIENCE).unwrap_or(began);
    loop {
        let step = match wire.line_alone(end)? {
            None => return Ok(()),
            Some(Line::Line(mut line)) => {
                let step = authorization.line(&line);
                os::memory::wipe(&mut line);
                step
            }
            Some(Line::TooLong) => authorization.line_too_long(),
        };
        match step {
            Step::Reply(text) => wire.say(&text)?,
            Step::Last(text) => return last(wire, &text),
            Step::Check(claim) => {
                wire.flush()?;
                let asked = Instant::now();
                let answer = check(wire, checker, &claim, &timestamp);
                let Err(refusal) = answer else { return Ok(()) };
                std::thread::sleep(REFUSAL_AFTER.saturating_sub(asked.elapsed()));
                last(wire, format!("-ERR {refusal}\r\n").as_bytes())?;
                // Commands that were sent along with the password.
                wire.drain();
                return Ok(());
            }
        }
    }
}

/// The end of the session was a success, or this is to be said.
fn check(wire: &Wire, checker: &[OsString], claim: &Claim, timestamp: &[u8]) -> Result<(), &'static str> {
    let Some((program, arguments)) = checker.split_first() else { return Err("authorization failed") };
    let (theirs, mut ours) = io::pipe().map_err(|_| "unable to open pipe")?;
    let mut spawn = Spawn::new(program);
    spawn.command().args(arguments);
    let ((input, output), errors) = (wire.descriptors(), io::stderr());
    let descriptors = [(input.as_fd(), 0), (output.as_fd(), 1), (errors.as_fd(), 2), (theirs.as_fd(), 3)];
    let mut child =
        spawn.start(&descriptors).map_err(|error| match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::EAGAIN | Errno::ENOMEM | Errno::EMFILE | Errno::ENFILE) => "unable to fork",
            // There is no such program, or it is none.
            _ => "authorization failed",
        })?;
    drop(theirs);
    let mut question = claim.question(timestamp);
    // It fits into the pipe, so nobody waits here. A program that does not want to read it may have its reasons.
    let written = match ours.write_all(&question) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err("unable to write pipe"),
        _ => Ok(()),
    };
    os::memory::wipe(&mut question);
    drop(ours);
    let status = child.wait().map_err(|_| "authorization failed")?;
    written.and(judge(status))
}

fn judge(status: ExitStatus) -> Result<(), &'static str> {
    match status.code() {
        Some(0) => Ok(()),
        Some(_) => Err("authorization failed"),
        None => Err("aack, child crashed"),
    }
}

fn last(wire: &mut Wire, text: &[u8]) -> io::Result<()> {
    wire.say(text)?;
    wire.flush()
}
