//! qmail-clean(8): remove files at the word of qmail-send, which comes on descriptor 0 and is answered on 1.
//!
//! Runs as qmailq. The peer may be anybody who has taken qmail-send over: it can have numbered files removed, and nothing
//! else. Logic and tests live in crate `queue`.

use queue::{Queue, clean::Cleaner, real::RealDisk};
use std::{
    io::{self, Read, Write},
    path::Path,
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

/// The queue cannot be entered.
const TEMPORARY: u8 = 111;
/// An answer cannot be given.
const UNHEARD: u8 = 100;
const BUFFER_BYTES: usize = 16 * 1024;

fn main() -> ExitCode {
    let Ok(queue) = enter() else { return ExitCode::from(TEMPORARY) };
    let mut cleaner = Cleaner::start(&queue, now());
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = match io::stdin().read(&mut buffer) {
            Ok(0) => return ExitCode::SUCCESS,
            Ok(n) => buffer.get(..n).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return ExitCode::SUCCESS, // As the end of the file: there is nobody left to work for.
        };
        let replies = cleaner.handle(read, now());
        if io::stdout().write_all(&replies).and_then(|()| io::stdout().flush()).is_err() {
            return ExitCode::from(UNHEARD);
        }
    }
}

fn enter() -> io::Result<Queue> {
    std::env::set_current_dir(os::home::home())?;
    std::env::set_current_dir("queue")?;
    Queue::on(RealDisk::at(Path::new(".")))
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
