//! A program line: `/bin/sh -c COMMAND` with the message on descriptor 0 (qmail-command(8)).

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::environment::Environment;
use crate::failure::Failure;
use crate::output::Output;

/// How long an ended program has to clean up before it is ended for good.
const GRACE: Duration = Duration::from_secs(5);

/// How often we look where the kernel cannot tell us of a child's end.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What a program that did not fail wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Exit 0: go on.
    GoOn,
    /// Exit 99: this line was the last.
    Stop,
}

/// What a program finds around it.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// The home directory, its working directory.
    pub home: &'a [u8],
    /// Its complete environment.
    pub environment: &'a Environment,
    /// When it is ended; `None`: never.
    pub limit: Option<Duration>,
}

/// Runs `command` to its end.
///
/// The message must stand at its beginning; its open file is shared with the program. The program gets
/// a process group of its own, so that a time limit ends all of it, and signals as they are by default.
pub fn run(
    command: &[u8],
    message: &File,
    around: &Surroundings<'_>,
    output: &mut dyn Output,
) -> Result<Verdict, Failure> {
    let (stdout, stderr) = output.for_program().map_err(Failure::Fork)?;
    let message = message.try_clone().map_err(Failure::Fork)?;
    // The command keeps copies of the descriptors: it must be gone before the output can end.
    let child = Command::new("/bin/sh")
        .arg("-c")
        .arg(OsStr::from_bytes(command))
        .env_clear()
        .envs(around.environment.iter().map(|(name, value)| (name, value)))
        .current_dir(OsStr::from_bytes(around.home))
        .process_group(0)
        .stdin(message)
        .stdout(stdout)
        .stderr(stderr)
        .spawn()
        .map_err(not_started)?;
    let status = match around.limit {
        Some(limit) => wait_at_most(child, limit)?,
        None => wait(child)?,
    };
    match status.code() {
        None => Err(Failure::ProgramCrashed),
        Some(code) => verdict(code),
    }
}

fn not_started(error: io::Error) -> Failure {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EAGAIN | Errno::ENOMEM) => Failure::Fork(error),
        _ => Failure::Shell(error),
    }
}

/// The exit codes of qmail-command(8).
fn verdict(code: i32) -> Result<Verdict, Failure> {
    match code {
        0 => Ok(Verdict::GoOn),
        99 => Ok(Verdict::Stop),
        64 | 65 | 70 | 76..=78 | 100 | 112 => Err(Failure::ProgramPermanent),
        _ => Err(Failure::ProgramTemporary),
    }
}

/// A wait that fails has no answer; the program may be running still.
fn wait(mut child: Child) -> Result<ExitStatus, Failure> {
    child.wait().map_err(|_| Failure::ProgramCrashed)
}

fn wait_at_most(mut child: Child, limit: Duration) -> Result<ExitStatus, Failure> {
    if ends_within(&mut child, limit) {
        return wait(child);
    }
    let group = i32::try_from(child.id()).map(Pid::from_raw);
    let end_with = |signal| group.map(|group| killpg(group, signal));
    // It may have ended by itself just now; then there is nobody to hear.
    let _ = end_with(Signal::SIGTERM);
    ends_within(&mut child, GRACE);
    let _ = end_with(Signal::SIGKILL);
    let _ = wait(child);
    Err(Failure::ProgramTimeout { limit_seconds: limit.as_secs() })
}

/// Waits for the end of `child`, but not longer than `limit`. Says whether it came.
fn ends_within(child: &mut Child, limit: Duration) -> bool {
    let began = Instant::now();
    let end = os::child::exit_descriptor(child);
    loop {
        let left = limit.saturating_sub(began.elapsed());
        let ended = match &end {
            Ok(end) => {
                let timeout = PollTimeout::try_from(left.saturating_add(Duration::from_millis(1)));
                poll(&mut [PollFd::new(end.as_fd(), PollFlags::POLLIN)], timeout.unwrap_or(PollTimeout::MAX))
                    .is_ok_and(|ready| ready > 0)
            }
            Err(_) => {
                std::thread::sleep(left.min(LOOK_AGAIN));
                child.try_wait().is_ok_and(|status| status.is_some())
            }
        };
        if ended || left.is_zero() {
            return ended;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Captured;

    fn run_with(command: &str, limit: Option<Duration>) -> (Result<Verdict, Failure>, String) {
        let mut output = Captured::new(1000);
        let message = tempfile::tempfile().unwrap();
        let environment = vec![("PATH".into(), "/usr/bin:/bin".into()), ("X".into(), "y".into())];
        let around = Surroundings { home: b"/", environment: &environment, limit };
        let result = run(command.as_bytes(), &message, &around, &mut output);
        (result, String::from_utf8(output.finish(|| None)).unwrap())
    }

    #[test]
    fn exit_codes_mean_what_the_manual_says() {
        for code in 0..=255 {
            let permanent = [64, 65, 70, 76, 77, 78, 100, 112].contains(&code);
            match verdict(code) {
                Ok(Verdict::GoOn) => assert_eq!(code, 0),
                Ok(Verdict::Stop) => assert_eq!(code, 99),
                Err(failure) => assert_eq!(failure.exit(), if permanent { 100 } else { 111 }, "{code}"),
            }
        }
    }

    #[test]
    fn a_program_sees_its_environment_and_nothing_else() {
        let (result, text) = run_with("echo $X; env | grep -c CARGO; pwd >&2", None);
        assert_eq!((result.unwrap(), text.as_str()), (Verdict::GoOn, "y\n0\n/\n"));
    }

    #[test]
    fn a_signal_is_a_crash() {
        let (result, _) = run_with("kill -9 $$", None);
        assert!(matches!(result, Err(Failure::ProgramCrashed)), "{result:?}");
    }

    #[test]
    fn a_program_that_does_not_end_is_ended_with_all_it_started() {
        let (result, _) = run_with("sleep 600 & sleep 600", Some(Duration::from_millis(50)));
        assert!(matches!(result, Err(Failure::ProgramTimeout { .. })), "{result:?}");
        let (result, text) = run_with("echo quick", Some(Duration::from_secs(60)));
        assert_eq!((result.unwrap(), text.as_str()), (Verdict::GoOn, "quick\n"));
    }
}
