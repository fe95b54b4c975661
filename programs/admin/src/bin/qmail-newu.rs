//! qmail-newu(8): compiles users/assign into users/cdb. Logic and tests live in crate `users`.
#![forbid(unsafe_code)]

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let home = os::home::home();
    let problem = match std::env::set_current_dir(&home) {
        Err(_) => "unable to chdir".to_string(),
        Ok(()) => match users::compile::compile(&home) {
            Ok(()) => return ExitCode::SUCCESS,
            // The words are the original's; `quail check` names the line.
            Err(error) => error.to_string(),
        },
    };
    let _ = writeln!(std::io::stderr(), "qmail-newu: fatal: {problem}");
    ExitCode::from(111)
}
