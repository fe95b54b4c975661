//! maildirmake(1): makes a Maildir.

use super::Ending;
use os::strerror;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// `name`: makes it with `tmp`, `new` and `cur` in it, for its owner only, in that order: a Maildir is one once it
/// has `cur`.
pub fn run(arguments: &[Vec<u8>]) -> Ending {
    let Some(name) = arguments.first() else { return Ending::usage("maildirmake", "maildirmake name") };
    let directory = Path::new(OsStr::from_bytes(name));
    for part in [None, Some("tmp"), Some("new"), Some("cur")] {
        let path = part.map_or_else(|| directory.to_path_buf(), |part| directory.join(part));
        if let Err(error) = std::fs::DirBuilder::new().mode(0o700).create(path) {
            let why = strerror::of(&error).as_bytes();
            let part = part.map(|part| [b"/", part.as_bytes()].concat()).unwrap_or_default();
            let text = [b"unable to mkdir ", name.as_slice(), &part, b": ", why].concat();
            return Ending::fatal("maildirmake", 111, &text);
        }
    }
    Ending::silent(0)
}
