//! newinclude(1): makes a mailing list for fastforward from an :include: file.
//!
//! Runs as whoever calls it. Logic and tests live in `inject::aliases`.
#![forbid(unsafe_code)]

use inject::aliases::{Completion, mailing_list, replace};
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
    let [name] = arguments.as_slice() else {
        return Err(Ending::usage("newinclude", "newinclude list"));
    };
    let file = Path::new(OsStr::from_bytes(name));
    let fatal = |text: String| Ending::fatal("newinclude", 111, text.as_bytes());
    let unread = |error| format!("unable to read {}: {}", file.display(), os::strerror::of(&error));
    let text = File::open(file).and_then(replace::text).map_err(|error| fatal(unread(error)))?;
    let completion = Completion::read(&control::Control::at(&os::home::home())).map_err(fatal)?;
    let list = mailing_list::from_include_file(&text, &completion.rewriter().map_err(fatal)?)
        .map_err(|error| fatal(format!("{} {error}", file.display())))?;
    let beside = |ending: &str| {
        let mut name = file.as_os_str().to_owned();
        name.push(ending);
        name
    };
    replace::list(&list, beside(".tmp").as_ref(), beside(".bin").as_ref()).map_err(fatal)
}
