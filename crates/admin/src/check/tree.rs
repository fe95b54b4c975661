//! The tree, its owners and modes.

use super::finding::Finding;
use crate::layout::{self, Entry, GROUP, Kind};
use crate::place::{People, Place, quoted};
use crate::setup::tree::{is_kind, kind_words};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;

pub(super) fn findings(place: &Place) -> Vec<Finding> {
    let mut found = Vec::new();
    let mess = place.at("queue/mess");
    if mess.read_dir().is_ok_and(|mut d| d.next().is_some()) && place.shape().is_none() {
        found.push(Finding::fault(
            &mess,
            "numbered directories with a gap, here or, where big-todo has hashed it, in todo",
            "0, 1, 2 ... without one",
            "[make the missing ones, owned and moded as the others]",
        ));
    }
    let mut hidden = false;
    for entry in layout::entries(place.shape().unwrap_or_else(layout::new_shape)) {
        // `run` is made at the first start.
        if entry.path == "run" && !place.at("run").exists() {
            continue;
        }
        match place.at(&entry.path).metadata() {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => hidden = true,
            Err(_) => found.push(missing(place, &entry)),
            Ok(metadata) => found.extend(compared(place, &entry, &metadata)),
        }
    }
    if hidden {
        let path = place.at("queue");
        found.push(Finding::note(
            &path,
            "not readable for you",
            "looked at by root",
            "[run quail check as root]",
        ));
    }
    found
}

fn missing(place: &Place, entry: &Entry) -> Finding {
    let path = place.at(&entry.path);
    let word = quoted(&path);
    let Entry { owner, mode, .. } = entry;
    let mend = match entry.kind {
        Kind::Directory => format!("install -d -o {owner} -g {GROUP} -m {mode:04o} {word}"),
        Kind::File { zeros } => {
            format!("truncate -s {zeros} {word} && chown {owner}:{GROUP} {word} && chmod {mode:04o} {word}")
        }
        Kind::Fifo => format!("mkfifo {word} && chown {owner}:{GROUP} {word} && chmod {mode:04o} {word}"),
    };
    Finding::fault(&path, "missing", kind_words(entry.kind), mend)
}

fn compared(place: &Place, entry: &Entry, found: &std::fs::Metadata) -> Vec<Finding> {
    let path = place.at(&entry.path);
    let word = quoted(&path);
    if !is_kind(found, entry.kind) {
        let mend = format!("mv {word} {word}.aside && quail setup");
        return vec![Finding::fault(&path, "something else", kind_words(entry.kind), mend)];
    }
    let mut all = Vec::new();
    // An empty table of time-outs is one that is switched off.
    if let Kind::File { zeros } = entry.kind
        && found.len() != 0
        && found.len() < 16
        && zeros > 0
    {
        let is = format!("{} bytes long", found.len());
        all.push(Finding::fault(&path, is, format!("{zeros} bytes"), format!("truncate -s {zeros} {word}")));
    }
    if place.people.uid(entry.owner) != Some(found.uid()) {
        let is = format!("owned by {}", People::user_name(found.uid()));
        all.push(Finding::fault(
            &path,
            is,
            format!("by {}", entry.owner),
            format!("chown {} {word}", entry.owner),
        ));
    }
    if place.people.gid(GROUP) != Some(found.gid()) {
        let is = format!("of group {}", People::group_name(found.gid()));
        // Outside the queue the group matters to nobody.
        let make = if entry.path.starts_with("queue") { Finding::fault } else { Finding::note };
        all.push(make(&path, is, format!("of group {GROUP}"), format!("chgrp {GROUP} {word}")));
    }
    let mode = found.mode() & 0o7777;
    if mode != entry.mode {
        let is = format!("mode {mode:04o}");
        all.push(Finding::fault(
            &path,
            is,
            format!("{:04o}", entry.mode),
            // With four digits chmod(1) leaves the setgid bit of a directory as it is.
            format!("chmod {:05o} {word}", entry.mode),
        ));
    }
    all
}
