//! maildir2mbox(1): moves what is in a Maildir to the end of an mbox (contract 12).
//!
//! The mbox is locked, copied to a temporary file beside it, the messages are added in the order of their files' times,
//! the copy is synced and renamed over the mbox, and only then are the files removed: a crash may leave messages in both
//! places, never in none.

use crate::quota::Usage;
use crate::quoting::Quoting;
use crate::{contents, maildirsize};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Three of these stand for a sender that nobody noted.
const UNKNOWN_SENDER: [u8; 3] = [b'X'; 3];

/// The longest Return-Path line that is looked for.
const RETURN_PATH_MAX_BYTES: u64 = 10_000;

/// Why nothing was moved.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// The Maildir.
    #[error("unable to scan {0}: {why}", why = os::strerror::of(.1))]
    Scan(PathBuf, #[source] io::Error),
    /// The lock.
    #[error("unable to lock {0}: {why}", why = os::strerror::of(.1))]
    Lock(PathBuf, #[source] io::Error),
    /// Reading.
    #[error("unable to read {0}: {why}", why = os::strerror::of(.1))]
    Read(PathBuf, #[source] io::Error),
    /// Writing.
    #[error("unable to write to {0}: {why}", why = os::strerror::of(.1))]
    Write(PathBuf, #[source] io::Error),
    /// Putting the new mbox into its place.
    #[error("unable to move {0} to {1}: {why}", why = os::strerror::of(.2))]
    Rename(PathBuf, PathBuf, #[source] io::Error),
}

/// Where things are.
#[derive(Clone, Copy, Debug)]
pub struct Places<'a> {
    /// The Maildir.
    pub maildir: &'a Path,
    /// The mbox; made if it is not there.
    pub mbox: &'a Path,
    /// The copy, in the same file system as the mbox.
    pub temporary: &'a Path,
}

/// Moves them. `date` gives the text of a point in time, in seconds since 1970, for From_ lines. An mbox without new
/// messages is not touched. The answer is how many files could not be removed although their messages were moved.
pub fn move_all(places: Places<'_>, date: &dyn Fn(u64) -> String) -> Result<usize, MoveError> {
    let messages = messages(places.maildir)?;
    if messages.is_empty() {
        return Ok(0);
    }
    let mbox = lock(places.mbox).map_err(|error| MoveError::Lock(places.mbox.into(), error))?;
    let failed = |error| MoveError::Write(places.temporary.into(), error);
    // The mode is kept where the file is new; somebody else's left-over keeps its own, as it always did.
    let copy = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(places.temporary)
        .map_err(failed)?;
    let mut out = BufWriter::new(&copy);
    io::copy(&mut &mbox, &mut out).map_err(failed)?;
    for message in &messages {
        append(message, date, &mut out)?;
    }
    out.flush().and_then(|()| copy.sync_all()).map_err(failed)?;
    let rename = |error| MoveError::Rename(places.temporary.into(), places.mbox.into(), error);
    std::fs::rename(places.temporary, places.mbox).map_err(rename)?;
    let directory = places.mbox.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))
        .and_then(|directory| directory.sync_all())
        .map_err(rename)?;
    Ok(remove(places.maildir, &messages))
}

/// Removes the files and says so to the quota of the Maildir. The answer is how many could not be removed.
fn remove(maildir: &Path, messages: &[Message]) -> usize {
    let (mut gone, mut failed) = (Usage::default(), 0_usize);
    for Message { path, bytes, .. } in messages {
        if std::fs::remove_file(path).is_ok() {
            let name = path.file_name().unwrap_or_default();
            gone = gone.plus(contents::usage(name.as_encoded_bytes(), || *bytes));
        } else {
            failed = failed.saturating_add(1);
        }
    }
    maildirsize::note_removed(maildir, gone);
    failed
}

/// The file that has the name, locked: whoever held the lock before us may have put another in its place.
fn lock(path: &Path) -> io::Result<File> {
    loop {
        let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
        file.lock()?;
        let ours = file.metadata()?;
        match std::fs::metadata(path) {
            Ok(named) if (named.dev(), named.ino()) == (ours.dev(), ours.ino()) => return Ok(file),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
}

struct Message {
    time: (i64, i64),
    bytes: u64,
    path: PathBuf,
}

/// In the order of their times.
fn messages(maildir: &Path) -> Result<Vec<Message>, MoveError> {
    let mut messages = Vec::new();
    for part in ["new", "cur"] {
        let folder = maildir.join(part);
        let failed = |error| MoveError::Scan(folder.clone(), error);
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")) {
                continue;
            }
            // Another reader may have moved or removed it.
            let Ok(found) = path.metadata() else { continue };
            if found.is_file() {
                messages.push(Message {
                    time: (found.mtime(), found.mtime_nsec()),
                    bytes: found.len(),
                    path,
                });
            }
        }
    }
    messages.sort_by(|a, b| (a.time, &a.path).cmp(&(b.time, &b.path)));
    Ok(messages)
}

fn append(message: &Message, date: &dyn Fn(u64) -> String, out: &mut dyn Write) -> Result<(), MoveError> {
    let unread = |error| MoveError::Read(message.path.clone(), error);
    let mut input = BufReader::new(File::open(&message.path).map_err(unread)?);
    let mut first = Vec::new();
    input.by_ref().take(RETURN_PATH_MAX_BYTES).read_until(b'\n', &mut first).map_err(unread)?;
    let seconds = u64::try_from(message.time.0).unwrap_or(0);
    let mut text = [b"From ".as_slice(), &sender(&first), b" ", date(seconds).as_bytes(), b"\n"].concat();
    let mut quoting = Quoting::default();
    quoting.push(&first, &mut text);
    loop {
        out.write_all(&text).map_err(unread)?;
        text.clear();
        let piece = input.fill_buf().map_err(unread)?;
        if piece.is_empty() {
            break;
        }
        let length = piece.len();
        quoting.push(piece, &mut text);
        input.consume(length);
    }
    quoting.finish(&mut text);
    out.write_all(&text).map_err(unread)
}

/// The sender as a From_ line has it, from a Return-Path line.
fn sender(line: &[u8]) -> Vec<u8> {
    let path = line
        .strip_prefix(b"Return-Path: <")
        .and_then(|rest| rest.strip_suffix(b"\n"))
        .and_then(|rest| rest.strip_suffix(b">"));
    match path {
        None => UNKNOWN_SENDER.to_vec(),
        Some(b"") => b"MAILER-DAEMON".to_vec(),
        Some(path) => path.iter().map(|&b| if matches!(b, b' ' | b'\t') { b'-' } else { b }).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maildir(messages: &[(&str, &str)]) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        for part in ["new", "cur"] {
            std::fs::create_dir(home.path().join(part)).unwrap();
        }
        for (at, (name, text)) in messages.iter().enumerate() {
            let path = home.path().join(name);
            std::fs::write(&path, text).unwrap();
            let time =
                std::time::UNIX_EPOCH + std::time::Duration::from_secs(u64::try_from(at).unwrap() * 100);
            File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        }
        home
    }

    fn moved(home: &Path) -> Result<String, MoveError> {
        let (mbox, temporary) = (home.join("mbox"), home.join("mbox.tmp"));
        move_all(Places { maildir: home, mbox: &mbox, temporary: &temporary }, &|s| format!("day {s}"))?;
        Ok(std::fs::read_to_string(mbox).unwrap_or_default())
    }

    #[test]
    fn messages_come_in_the_order_of_their_times_and_are_gone_from_the_maildir() {
        let home = maildir(&[
            ("new/b", "Return-Path: <a b@x>\n\nFrom me\n"),
            ("cur/a", "no path\nand no end"),
            ("new/.hidden", "stays\n"),
        ]);
        let text = moved(home.path()).unwrap();
        let unknown = "X".repeat(3);
        let second = format!("From {unknown} day 100\nno path\nand no end\n\n");
        assert_eq!(text, format!("From a-b@x day 0\nReturn-Path: <a b@x>\n\n>From me\n\n{second}"));
        assert!(!home.path().join("new/b").exists() && home.path().join("new/.hidden").exists());
        assert_eq!(moved(home.path()).unwrap(), text, "nothing is moved twice");
    }

    #[test]
    fn what_is_moved_counts_no_more() {
        let home = maildir(&[("new/a,S=700", "a\n"), ("cur/b:2,S", "four")]);
        std::fs::write(home.path().join("maildirsize"), "1000S\n704 2\n").unwrap();
        moved(home.path()).unwrap();
        let ledger = std::fs::read_to_string(home.path().join("maildirsize")).unwrap();
        assert_eq!(ledger, "1000S\n704 2\n-704 -2\n");
    }

    #[test]
    fn where_the_copy_cannot_be_made_everything_stays() {
        let home = maildir(&[("new/a", "a\n")]);
        std::fs::create_dir(home.path().join("mbox.tmp")).unwrap();
        assert!(matches!(moved(home.path()), Err(MoveError::Write(..))));
        assert!(home.path().join("new/a").exists());
    }
}
