//! sendmail(8): the command line that other software knows; becomes qmail-inject, qmail-smtpd or qmail-qread.
//!
//! Runs as whoever calls it. What the command line means is decided in `inject::sendmail`.
#![forbid(unsafe_code)]

use inject::process::say;
use inject::sendmail::{Outcome, plan};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    if std::env::set_current_dir(os::home::home()).is_err() {
        say(b"sendmail: fatal: unable to switch to qmail home directory\n");
        return ExitCode::from(111);
    }
    let (program, arguments) = inject::process::command_line();
    match plan(&program, &arguments, inject::environment::Environment::of_process()) {
        Outcome::Become(plan) => {
            let text = |(name, value)| (OsStr::from_bytes(name), OsStr::from_bytes(value));
            let _cannot = Command::new(plan.program)
                .args(plan.arguments.iter().map(|argument| OsStr::from_bytes(argument)))
                .env_clear()
                .envs(plan.environment.iter().map(text))
                .exec();
            say(plan.failure.as_bytes());
            ExitCode::from(111)
        }
        Outcome::Complain(text) => {
            say(&text);
            ExitCode::from(100)
        }
        Outcome::Nothing => ExitCode::SUCCESS,
    }
}
