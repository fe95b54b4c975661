//! newaliases(1): makes a forwarding database from /etc/aliases.
//!
//! Runs as whoever calls it. Logic and tests live in `inject::aliases`.
#![forbid(unsafe_code)]

use inject::aliases::{Completion, alias_file, replace};
use inject::dotqmail::Ending;
use inject::process;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(ending) => ending.conclude(),
    }
}

fn run() -> Result<(), Ending> {
    let (_, arguments) = process::command_line();
    let file = match arguments.as_slice() {
        [] => Path::new("/etc/aliases"),
        [file] => Path::new(OsStr::from_bytes(file)),
        _ => return Err(Ending::usage("newaliases", "newaliases [ file ]")),
    };
    let fatal = |text: String| Ending::fatal("newaliases", 111, text.as_bytes());
    let unread = |error| format!("unable to read {}: {}", file.display(), os::strerror::of(&error));
    let text = File::open(file).and_then(replace::text).map_err(|error| fatal(unread(error)))?;
    let completion = Completion::read(&control::Control::at(&os::home::home())).map_err(fatal)?;
    let records = alias_file::read(&text, &completion.rewriter().map_err(fatal)?)
        .map_err(|error| fatal(format!("{} {error}", file.display())))?;
    let beside = |ending: &str| {
        let mut name = file.as_os_str().to_owned();
        name.push(ending);
        name
    };
    replace::database(&records, beside(".tmp").as_ref(), beside(".cdb").as_ref()).map_err(fatal)
}
