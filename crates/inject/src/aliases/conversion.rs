//! The programs that turn one form of such a file into another: newaliases(1) and newinclude(1), setforward(1) and
//! setmaillist(1), printforward(1) and printmaillist(1).

use super::alias_file::{self, LineError};
use super::{Completion, mailing_list, replace, table};
use crate::dotqmail::Ending;
use crate::rewrite::Rewriter;
use control::Control;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// newaliases, `[file]`: a forwarding database beside the file.
pub fn new_aliases(arguments: &[Vec<u8>], home: &Path) -> Result<(), Ending> {
    let file = match arguments {
        [] => Path::new("/etc/aliases"),
        [file] => path(file),
        _ => return Err(Ending::usage("newaliases", "newaliases [ file ]")),
    };
    let put = |text: &[u8], rewriter: &Rewriter<'_>| {
        let records = alias_file::read(text, rewriter).map_err(|error| wrong(file, &error))?;
        replace::database(&records, &beside(file, ".tmp"), &beside(file, ".cdb"))
    };
    completed("newaliases", file, home, put)
}

/// newinclude, `list`: a mailing list beside the file.
pub fn new_include(arguments: &[Vec<u8>], home: &Path) -> Result<(), Ending> {
    let [file] = arguments else { return Err(Ending::usage("newinclude", "newinclude list")) };
    let file = path(file);
    let put = |text: &[u8], rewriter: &Rewriter<'_>| {
        let list = mailing_list::from_include_file(text, rewriter).map_err(|error| wrong(file, &error))?;
        replace::list(&list, &beside(file, ".tmp"), &beside(file, ".bin"))
    };
    completed("newinclude", file, home, put)
}

/// setforward, `data.cdb data.tmp`: a forwarding database of the table in `input`.
pub fn set_forward(arguments: &[Vec<u8>], input: impl Read) -> Result<(), Ending> {
    let put = |text: &[u8], temporary: &Path, place: &Path| {
        let records = table::read(text).map_err(|error| (100, error.to_string()))?;
        replace::database(&records, temporary, place).map_err(|text| (111, text))
    };
    as_told("setforward", "setforward data.cdb data.tmp", arguments, input, put)
}

/// setmaillist, `list.bin list.tmp`: a mailing list of the lines in `input`.
pub fn set_mailing_list(arguments: &[Vec<u8>], input: impl Read) -> Result<(), Ending> {
    let put = |text: &[u8], temporary: &Path, place: &Path| {
        let list = mailing_list::from_plain_list(text).map_err(|error| (100, error.to_string()))?;
        replace::list(&list, temporary, place).map_err(|text| (111, text))
    };
    as_told("setmaillist", "setmaillist list.bin list.tmp", arguments, input, put)
}

/// printforward: the table of the forwarding database in `input`.
pub fn print_forward(input: impl Read, out: impl Write) -> Result<(), Ending> {
    const NAME: &str = "printforward";
    let bytes = read(NAME, input)?;
    let damaged = || Ending::fatal(NAME, 111, b"this is no forwarding database");
    let mut out = BufWriter::new(out);
    for record in cdb::dump::records(&bytes) {
        let (key, data) = record.map_err(|_| damaged())?;
        let text = table::print(key, data).ok_or_else(damaged)?;
        out.write_all(&text).map_err(|error| unwritten(NAME, &error))?;
    }
    out.flush().map_err(|error| unwritten(NAME, &error))
}

/// printmaillist: the lines of the mailing list in `input`.
pub fn print_mailing_list(input: impl Read, mut out: impl Write) -> Result<(), Ending> {
    const NAME: &str = "printmaillist";
    let text = mailing_list::print(&read(NAME, input)?)
        .ok_or_else(|| Ending::fatal(NAME, 111, b"this is no mailing list"))?;
    out.write_all(&text).and_then(|()| out.flush()).map_err(|error| unwritten(NAME, &error))
}

/// From a file whose addresses are completed as the control files say.
fn completed(
    program: &str,
    file: &Path,
    home: &Path,
    put: impl FnOnce(&[u8], &Rewriter<'_>) -> Result<(), String>,
) -> Result<(), Ending> {
    let unread =
        |error: io::Error| format!("unable to read {}: {}", file.display(), os::strerror::of(&error));
    let convert = || {
        let text = File::open(file).and_then(replace::text).map_err(unread)?;
        let completion = Completion::read(&Control::at(home))?;
        put(&text, &completion.rewriter()?)
    };
    convert().map_err(|text: String| Ending::fatal(program, 111, text.as_bytes()))
}

/// From `input` to the place that is named first, by way of the one named second. `put` says how it failed.
fn as_told(
    program: &str,
    usage: &str,
    arguments: &[Vec<u8>],
    input: impl Read,
    put: impl FnOnce(&[u8], &Path, &Path) -> Result<(), (u8, String)>,
) -> Result<(), Ending> {
    let [place, temporary] = arguments else { return Err(Ending::usage(program, usage)) };
    put(&read(program, input)?, path(temporary), path(place))
        .map_err(|(exit, text)| Ending::fatal(program, exit, text.as_bytes()))
}

fn read(program: &str, input: impl Read) -> Result<Vec<u8>, Ending> {
    replace::text(input).map_err(|error| Ending::trouble(program, "unable to read input", &error))
}

fn unwritten(program: &str, error: &io::Error) -> Ending {
    Ending::trouble(program, "unable to write output", error)
}

fn wrong(file: &Path, error: &LineError) -> String {
    format!("{} {error}", file.display())
}

fn path(name: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(name))
}

fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
