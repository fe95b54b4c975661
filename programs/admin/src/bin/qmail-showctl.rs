//! qmail-showctl(8): the settings in words. Logic and tests live in `admin::showctl`.
#![forbid(unsafe_code)]

use admin::showctl::{Identities, print};
use std::io::{BufWriter, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let all = std::env::args_os().nth(1).is_some_and(|argument| argument == "--all");
    let mut out = BufWriter::new(std::io::stdout().lock());
    let printed =
        print(&os::home::home(), &Identities::of_system(), all, &mut out).and_then(|()| out.flush());
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "qmail-showctl: fatal: {}", os::strerror::of(&error));
            ExitCode::from(111)
        }
    }
}
