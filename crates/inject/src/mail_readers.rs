//! elq(1), pinq(1), qail(1): a mail reader that knows mboxes only, on mail that comes into a Maildir (contract 12).

use crate::dotqmail::Ending;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Runs maildir2mbox of the directory `bin` and becomes `reader` with these arguments; comes back only if it cannot.
/// The reader starts even if nothing could be moved: the mbox is there as it was, and maildir2mbox has said why.
pub fn run(program: &str, bin: &Path, reader: &str, arguments: &[Vec<u8>]) -> Ending {
    if let Err(error) = Command::new(bin.join("maildir2mbox")).status() {
        return Ending::trouble(program, "unable to run maildir2mbox", &error);
    }
    let error =
        Command::new(reader).args(arguments.iter().map(|argument| OsStr::from_bytes(argument))).exec();
    Ending::trouble(program, &format!("unable to run {reader}"), &error)
}
