//! maildirwatch(1): shows what is new in a Maildir, again and again.
//!
//! Runs as whoever calls it. Logic and tests live in `inject::maildirwatch`.
#![forbid(unsafe_code)]

use inject::{maildirwatch::screen, process};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let Some(maildir) = std::env::var_os("MAILDIR") else {
        process::say(b"maildirwatch: fatal: MAILDIR not set\n");
        return ExitCode::from(111);
    };
    loop {
        let shown = screen(Path::new(&maildir));
        let told = shown.and_then(|screen| {
            let mut out = std::io::stdout().lock();
            out.write_all(&screen)?;
            out.flush()
        });
        if let Err(error) = told {
            let words = os::strerror::words_of(&error);
            process::say(format!("maildirwatch: fatal: {words}\n").as_bytes());
            return ExitCode::from(111);
        }
        std::thread::sleep(PAUSE);
    }
}
