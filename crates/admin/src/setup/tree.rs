//! The tree: what is missing is made, what belongs to somebody else is given back.

use super::step::{Step, set_owner};
use crate::layout::{self, Entry, GROUP, Kind};
use crate::place::{People, Place, quoted};
use anyhow::{Context, Result, bail};
use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// What brings the tree into the form of [`layout::entries`].
pub fn steps(place: &Place) -> Result<Vec<Step>> {
    if place.at("queue/mess").is_dir() && place.shape().is_none() && !is_empty(&place.at("queue/mess")) {
        bail!(
            "{}: its numbered directories (or those of todo, where big-todo has hashed it) have a gap, or there are none; put the missing ones back (an original's queue-fix does), since messages are found by their number modulo the count",
            place.at("queue/mess").display()
        );
    }
    let shape = place.shape().unwrap_or_else(layout::new_shape);
    let mut steps = Vec::new();
    for entry in layout::entries(shape) {
        steps.extend(step(place, entry)?);
    }
    Ok(steps)
}

fn is_empty(directory: &Path) -> bool {
    directory.read_dir().is_ok_and(|mut d| d.next().is_none())
}

fn step(place: &Place, entry: Entry) -> Result<Option<Step>> {
    let path = place.at(&entry.path);
    // A link to a directory elsewhere, /etc/qmail say, is as good as the directory.
    let found = match path.metadata() {
        Ok(found) => Some(found),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error).with_context(|| format!("cannot look at {}", path.display())),
    };
    let Some(found) = found else { return Ok(Some(making(place, entry))) };
    if !is_kind(&found, entry.kind) {
        bail!(
            "{} is in the way: {} is needed there; move it elsewhere",
            path.display(),
            kind_words(entry.kind)
        );
    }
    let (owner, group) = (place.people.uid(entry.owner), place.people.gid(GROUP));
    if owner == Some(found.uid()) && group == Some(found.gid()) && found.mode() & 0o7777 == entry.mode {
        return Ok(None);
    }
    let does = format!("give {} to {}:{GROUP} with mode {:04o}", path.display(), entry.owner, entry.mode);
    let undo = format!(
        "chown {}:{} {word} && chmod {:04o} {word}",
        found.uid(),
        found.gid(),
        found.mode() & 0o7777,
        word = quoted(&path)
    );
    let people = place.people;
    Ok(Some(Step::new(does, Some(undo), move || give(people, &path, entry.owner, entry.mode))))
}

fn making(place: &Place, entry: Entry) -> Step {
    let path = place.at(&entry.path);
    let does = format!(
        "make {} {} ({}:{GROUP}, {:04o})",
        kind_words(entry.kind),
        path.display(),
        entry.owner,
        entry.mode
    );
    let undo = match entry.kind {
        // One with something in it stays: somebody's mail, or somebody's settings.
        Kind::Directory => format!("rmdir {} 2>/dev/null", quoted(&path)),
        Kind::File { .. } | Kind::Fifo => format!("rm -f {}", quoted(&path)),
    };
    let people = place.people;
    Step::new(does, Some(undo), move || {
        match entry.kind {
            Kind::Directory => std::fs::DirBuilder::new().recursive(entry.path.is_empty()).create(&path)?,
            Kind::File { zeros } => std::fs::write(&path, vec![0; zeros])?,
            Kind::Fifo => nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRUSR)?,
        }
        give(people, &path, entry.owner, entry.mode)
    })
}

/// Gives a path to `owner` and the group of the tree.
pub fn give(people: People, path: &Path, owner: &str, mode: u32) -> Result<()> {
    let uid = people.uid(owner).with_context(|| format!("there is no account {owner}"))?;
    let gid = people.gid(GROUP).with_context(|| format!("there is no group {GROUP}"))?;
    set_owner(path, uid, gid, mode).with_context(|| format!("cannot give {} to {owner}", path.display()))
}

/// Whether something is of that kind.
pub fn is_kind(found: &Metadata, kind: Kind) -> bool {
    match kind {
        Kind::Directory => found.is_dir(),
        Kind::File { .. } => found.is_file(),
        Kind::Fifo => found.file_type().is_fifo(),
    }
}

/// That kind in words.
pub fn kind_words(kind: Kind) -> &'static str {
    match kind {
        Kind::Directory => "the directory",
        Kind::File { .. } => "the file",
        Kind::Fifo => "the named pipe",
    }
}
