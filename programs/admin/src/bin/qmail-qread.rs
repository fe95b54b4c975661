//! qmail-qread(8): lists the messages in the queue. Logic and tests live in `queue::listing`.
#![forbid(unsafe_code)]

use queue::listing::ListingError;
use std::io::{BufWriter, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut out = BufWriter::new(std::io::stdout().lock());
    let problem = match queue::Queue::open(&os::home::home()) {
        Err(error) => format!("unable to chdir: {}", os::strerror::words_of(&error)),
        Ok(queue) => match queue.print_messages(&mut out) {
            // Whoever has read enough of a long list closes the pipe.
            Ok(()) | Err(ListingError::Write(_)) => return flushed(out),
            Err(error) => error.to_string(),
        },
    };
    // On descriptor 1, as the original has it.
    let _ = writeln!(out, "fatal: {problem}");
    let _ = out.flush();
    ExitCode::from(111)
}

fn flushed(mut out: impl Write) -> ExitCode {
    let _ = out.flush();
    ExitCode::SUCCESS
}
