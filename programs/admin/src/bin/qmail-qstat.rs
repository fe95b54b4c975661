//! qmail-qstat(8): counts the messages in the queue. Logic and tests live in `queue::listing`.
#![forbid(unsafe_code)]

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let problem = match queue::Queue::open(&os::home::home()) {
        Err(error) => format!("unable to read the queue: {}", os::strerror::words_of(&error)),
        Ok(queue) => match queue.print_counts(&mut std::io::stdout()) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(error) => error.to_string(),
        },
    };
    let _ = writeln!(std::io::stderr(), "qmail-qstat: fatal: {problem}");
    ExitCode::from(111)
}
