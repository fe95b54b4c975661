//! qmail-upq(8): puts the files of a queue into the directories that their numbers say. Logic and tests live in
//! `queue::resplit`.
#![forbid(unsafe_code)]

use queue::{real::RealDisk, resplit::resplit};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let queue = os::home::home().join("queue");
    let problem = match alone(&queue) {
        Err(problem) => problem,
        Ok(_alone) => match resplit(&RealDisk::at(&queue)) {
            Ok(_) => return ExitCode::SUCCESS,
            Err(error) => os::strerror::words_of(&error),
        },
    };
    let _ = writeln!(std::io::stderr(), "qmail-upq: fatal: {problem}");
    ExitCode::from(111)
}

/// The lock that qmail-send holds while it runs, ours or the original.
fn alone(queue: &Path) -> Result<File, String> {
    let mutex = OpenOptions::new().write(true).open(queue.join("lock/sendmutex"));
    let mutex = mutex.map_err(|error| format!("lock/sendmutex: {}", os::strerror::words_of(&error)))?;
    mutex.try_lock().map_err(|_| "qmail-send is running; stop it first".to_owned())?;
    Ok(mutex)
}
