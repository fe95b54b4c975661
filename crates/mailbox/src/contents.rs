//! What is in a Maildir and its folders, counted for its quota.
//!
//! Counted are the files in `new` and `cur`, but not in the folder `Trash`, and not those that wait for their removal
//! (flag T): so it is done by those who have made the rules.

use std::os::fd::AsFd;

use nix::dir::{Dir, Type};
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::{Mode, fstat, fstatat};

use crate::quota::Usage;

/// More files and folders than this are not counted: a quota is then not enforced to the byte.
const ENTRIES_MAX: usize = 10_000_000;

/// The folder that nobody's quota knows, as a directory.
pub const TRASH: &[u8] = b".Trash";

/// When a directory was changed: seconds and nanoseconds.
type Time = (i64, i64);

/// What is there, and when the last of its directories was changed before we looked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Contents {
    /// All that counts.
    pub usage: Usage,
    /// The latest change.
    pub changed: Time,
}

/// Counts what is in the Maildir that is open as `root`.
pub fn count(root: impl AsFd) -> nix::Result<Contents> {
    let root = root.as_fd();
    let mut found = Contents::default();
    let mut entries = 0;
    for part in parts(&folders(root)?) {
        let Some(directory) = open(root, &part)? else { continue };
        found.changed = found.changed.max(changed(&directory)?);
        count_part(directory, &mut found.usage, &mut entries);
    }
    Ok(found)
}

/// When the last of the directories was changed.
pub fn last_change(root: impl AsFd) -> nix::Result<Time> {
    let root = root.as_fd();
    let mut latest = Time::default();
    for part in parts(&folders(root)?) {
        if let Some(directory) = open(root, &part)? {
            latest = latest.max(changed(&directory)?);
        }
    }
    Ok(latest)
}

/// Its folders with a slash behind each name, and itself by no name at all.
fn folders(root: impl AsFd) -> nix::Result<Vec<Vec<u8>>> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let mut root = Dir::openat(root.as_fd(), c".", flags, Mode::empty())?;
    let mut folders = vec![Vec::new()];
    for entry in root.iter().take(ENTRIES_MAX) {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        let is_folder = name.len() > 1 && name.starts_with(b".") && !name.starts_with(b"..");
        if is_folder && name != TRASH && entry.file_type() != Some(Type::File) {
            folders.push([name, b"/"].concat());
        }
    }
    Ok(folders)
}

fn parts(folders: &[Vec<u8>]) -> impl Iterator<Item = Vec<u8>> {
    folders.iter().flat_map(|folder| [&b"new"[..], b"cur"].map(|part| [folder, part].concat()))
}

/// `None` if it is not there, or is no directory.
fn open(root: impl AsFd, path: &[u8]) -> nix::Result<Option<Dir>> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    match Dir::openat(root.as_fd(), path, flags, Mode::empty()) {
        Ok(directory) => Ok(Some(directory)),
        Err(nix::Error::ENOENT | nix::Error::ENOTDIR | nix::Error::ELOOP) => Ok(None),
        Err(error) => Err(error),
    }
}

fn changed(directory: &Dir) -> nix::Result<Time> {
    let stat = fstat(directory)?;
    Ok((stat.st_mtime, stat.st_mtime_nsec))
}

fn count_part(mut directory: Dir, usage: &mut Usage, entries: &mut usize) {
    let mut names = Vec::new();
    // A directory that cannot be read to its end is counted as far as it goes.
    for entry in directory.iter().map_while(Result::ok) {
        *entries = entries.saturating_add(1);
        if *entries > ENTRIES_MAX {
            return;
        }
        let name = entry.file_name();
        if !counts(name.to_bytes()) {
            continue;
        }
        match size_in_name(name.to_bytes()) {
            Some(bytes) => *usage = usage.plus(Usage::message(bytes)),
            None => names.push(name.to_owned()),
        }
    }
    for name in names {
        // Gone meanwhile: then it is not there.
        if let Ok(stat) = fstatat(&directory, name.as_c_str(), AtFlags::empty()) {
            *usage = usage.plus(Usage::message(u64::try_from(stat.st_size).unwrap_or(0)));
        }
    }
}

/// How a file of that name in `new` or `cur` counts. Its length is asked for if the name does not say it.
pub fn usage(name: &[u8], length: impl FnOnce() -> u64) -> Usage {
    if counts(name) { Usage::message(size_in_name(name).unwrap_or_else(length)) } else { Usage::default() }
}

/// Whether a file of that name in `new` or `cur` counts.
fn counts(name: &[u8]) -> bool {
    let is_removed = flags(name).is_some_and(|flags| flags.contains(&b'T'));
    !name.starts_with(b".") && !is_removed
}

fn flags(name: &[u8]) -> Option<&[u8]> {
    let colon = name.iter().position(|&byte| byte == b':')?;
    name.get(colon..)?.strip_prefix(b":2,")
}

/// The size of a message, if its file's name says it: `,S=` and digits before the colon.
fn size_in_name(name: &[u8]) -> Option<u64> {
    let unique = name.split(|&byte| byte == b':').next()?;
    let digits = unique.split(|&byte| byte == b',').skip(1).find_map(|part| part.strip_prefix(b"S="))?;
    let all = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| all)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fs::{self, File};

    #[test]
    fn sizes_are_found_in_names() {
        for (name, size) in [
            ("1.2.host,S=345", Some(345)),
            ("1.2.host,S=345:2,S", Some(345)),
            ("1.2.host,S=345,W=350:2,", Some(345)),
            ("1.2.host,W=350,S=345:2,", Some(345)),
            ("1.2.host:2,S=345", None),
            ("1.2.host,S=", None),
            ("1.2.host,S=3x", None),
            ("1.2.host,S=+3", None),
            ("S=3", None),
            ("1.2.host,S=99999999999999999999999", None),
        ] {
            assert_eq!(size_in_name(name.as_bytes()), size, "{name}");
        }
    }

    #[test]
    fn what_is_hidden_or_to_be_removed_does_not_count() {
        for (name, expected) in
            [("a", true), (".a", false), ("a:2,S", true), ("a:2,ST", false), ("T", true), ("a:1,T", true)]
        {
            assert_eq!(counts(name.as_bytes()), expected, "{name}");
        }
    }

    #[test]
    fn folders_count_and_the_trash_does_not() {
        let root = tempfile::tempdir().unwrap();
        let put = |path: &str, bytes: usize| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, vec![b'x'; bytes]).unwrap();
        };
        put("new/a", 10);
        put("cur/b,S=1000:2,S", 1);
        put("cur/c:2,T", 7);
        put("tmp/d", 7);
        put(".Work/new/e", 100);
        put(".Work/cur/f,S=10000", 1);
        put(".Trash/cur/g", 7);
        put("..odd/cur/h", 7);
        put(".file", 7);
        fs::create_dir(root.path().join(".empty")).unwrap();
        let counted = count(File::open(root.path()).unwrap()).unwrap();
        assert_eq!(counted.usage, Usage { bytes: 11_110, messages: 4 });
        assert_eq!(last_change(File::open(root.path()).unwrap()).unwrap(), counted.changed);
    }

    proptest! {
        #[test]
        fn any_name_is_looked_at(name in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = (counts(&name), size_in_name(&name));
        }
    }
}
