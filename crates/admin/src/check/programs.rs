//! The programs in `bin`.

use super::finding::Finding;
use crate::layout::{self, GROUP};
use crate::place::{People, Place, quoted};
use crate::setup::programs::directory_of_this;
use std::os::unix::fs::MetadataExt;

/// Without these no message gets anywhere.
const NEEDED: [&str; 15] = [
    "qmail-clean",
    "qmail-getpw",
    "qmail-inject",
    "qmail-local",
    "qmail-lspawn",
    "qmail-newu",
    "qmail-queue",
    "qmail-queued",
    "qmail-remote",
    "qmail-rspawn",
    "qmail-send",
    "qmail-smtpd",
    "qmail-start",
    "quail-start",
    "sendmail",
];

pub(super) fn findings(place: &Place) -> Vec<Finding> {
    let bin = place.at("bin");
    let mut found = Vec::new();
    for name in NEEDED {
        let path = bin.join(name);
        if !path.exists() {
            let from = directory_of_this().unwrap_or_default();
            let mend = match from.canonicalize().ok() == bin.canonicalize().ok() {
                true => "[install Quail again]".to_owned(),
                false => "quail setup".to_owned(),
            };
            found.push(Finding::fault(&path, "missing", "a program", mend));
        }
    }
    // In a private installation everything is the caller's, and nothing is setuid.
    if place.people == People::Caller {
        return found;
    }
    for entry in bin.read_dir().into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if layout::is_program(&name) {
            found.extend(one(place, &name));
        }
    }
    found
}

fn one(place: &Place, name: &str) -> Vec<Finding> {
    let path = place.at("bin").join(name);
    let (Ok(link), Ok(file)) = (path.symlink_metadata(), path.metadata()) else { return Vec::new() };
    if link.is_symlink() {
        let to = path.read_link().unwrap_or_default();
        if name != "qmail-queue" {
            return Vec::new();
        }
        let is = format!("a link to {}", to.display());
        return vec![Finding::note(
            &path,
            is,
            "that, if you put it there",
            "[nothing to do if so: mail goes that way]",
        )];
    }
    let (owner, mode) = layout::program_owner(name);
    let word = quoted(&path);
    let mut found = Vec::new();
    if place.people.uid(owner) != Some(file.uid()) {
        let is = format!("owned by {}", People::user_name(file.uid()));
        // chown takes the setuid bit away.
        let mend = format!("chown {owner} {word} && chmod {mode:04o} {word}");
        found.push(Finding::fault(&path, is, format!("by {owner}"), mend));
    }
    if place.people.gid(GROUP) != Some(file.gid()) {
        let is = format!("of group {}", People::group_name(file.gid()));
        let mend = format!("chgrp {GROUP} {word} && chmod {mode:04o} {word}");
        found.push(Finding::note(&path, is, format!("of group {GROUP}"), mend));
    }
    let is_mode = file.mode() & 0o7777;
    // A program that more people may read than must is no danger; one that others may write, or that is setuid, is.
    let bad = (is_mode ^ mode) & 0o7022 != 0 || mode & !is_mode != 0;
    if is_mode != mode {
        let make = if bad { Finding::fault } else { Finding::note };
        let mend = format!("chmod {mode:04o} {word}");
        found.push(make(&path, format!("mode {is_mode:04o}"), format!("{mode:04o}"), mend));
    }
    found
}
