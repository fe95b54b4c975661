//! How a program ends.

use crate::process;
use os::strerror;
use std::io;
use std::process::ExitCode;

/// The exit code, and what is said on standard error.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ending {
    /// 0 delivered, 99 delivered and done, 100 failed, 111 deferred; or what a program of the user's said.
    pub exit: u8,
    /// With its newline; empty is silence.
    pub text: Vec<u8>,
}

/// What went well ends in silence.
impl From<Result<(), Ending>> for Ending {
    fn from(result: Result<(), Ending>) -> Self {
        result.err().unwrap_or_else(|| Self::silent(0))
    }
}

impl Ending {
    /// An exit code and no words.
    pub fn silent(exit: u8) -> Self {
        Self { exit, text: Vec::new() }
    }

    /// `TEXT`
    pub fn saying(exit: u8, text: &[u8]) -> Self {
        Self { exit, text: [text, b"\n"].concat() }
    }

    /// `PROGRAM: fatal: TEXT`
    pub fn fatal(program: &str, exit: u8, text: &[u8]) -> Self {
        Self::saying(exit, &[program.as_bytes(), b": fatal: ", text].concat())
    }

    /// `PROGRAM: fatal: TEXT: ` and what the system says. Deferred.
    pub fn trouble(program: &str, text: &str, error: &io::Error) -> Self {
        Self::fatal(program, 111, format!("{text}: {}", strerror::of(error)).as_bytes())
    }

    /// `PROGRAM: usage: TEXT`
    pub fn usage(program: &str, text: &str) -> Self {
        Self::saying(100, format!("{program}: usage: {text}").as_bytes())
    }

    /// Says it, and gives the exit code to return from `main`.
    pub fn conclude(self) -> ExitCode {
        process::say(&self.text);
        ExitCode::from(self.exit)
    }
}
