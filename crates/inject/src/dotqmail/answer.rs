//! Asking a program of the user's a question, with the message on its standard input.

use super::Ending;
use os::strerror;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, ExitStatus};

/// What the program's exit code means to whoever asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// 0
    Yes,
    /// Anything but 0 and 111, or there is no such program.
    No,
}

/// Runs a command, found by PATH, on our own standard input and output. 111 and a crash end the asking program
/// `asker` with 111.
pub fn ask(asker: &str, command: &[Vec<u8>]) -> Result<Answer, Ending> {
    let fatal = |text: &[u8]| Err(Ending::fatal(asker, 111, text));
    match run(command).map(|status| status.code()) {
        Ok(Some(0)) => Ok(Answer::Yes),
        Ok(Some(111)) => fatal(b"temporary child error"),
        Ok(Some(_)) => Ok(Answer::No),
        Ok(None) => fatal(b"child crashed"),
        Err(error) if strerror::is_temporary(&error) => fatal(b"temporary child error"),
        Err(_) => Ok(Answer::No),
    }
}

fn run(command: &[Vec<u8>]) -> std::io::Result<ExitStatus> {
    let (program, arguments) =
        command.split_first().ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotFound))?;
    Command::new(OsStr::from_bytes(program))
        .args(arguments.iter().map(|argument| OsStr::from_bytes(argument)))
        .status()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(script: &str) -> Result<Answer, Ending> {
        ask("me", &[b"/bin/sh".to_vec(), b"-c".to_vec(), script.into()])
    }

    #[test]
    fn exit_codes_are_answers() {
        assert_eq!(answer("exit 0"), Ok(Answer::Yes));
        for code in [1, 99, 100, 112, 255] {
            assert_eq!(answer(&format!("exit {code}")), Ok(Answer::No), "{code}");
        }
        assert_eq!(ask("me", &[b"/no/such/program".to_vec()]), Ok(Answer::No));
        let deferred = |text: &[u8]| Err(Ending { exit: 111, text: text.into() });
        assert_eq!(answer("exit 111"), deferred(b"me: fatal: temporary child error\n"));
        assert_eq!(answer("kill -9 $$"), deferred(b"me: fatal: child crashed\n"));
    }
}
