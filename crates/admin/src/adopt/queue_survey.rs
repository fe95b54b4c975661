//! The queue of the original: whose it is, its shape, what waits in it.

use super::remark::{Remark, Standing};
use crate::layout::{self, Kind, Shape};
use crate::place::{People, Place};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

pub(super) fn remarks(place: &Place) -> Vec<Remark> {
    let queue = place.at("queue");
    let about = queue.display().to_string();
    let Some(shape) = place.shape() else {
        let words = "its mess has no numbered directories, or a gap in them (or its todo has, where big-todo has hashed it), or only root may look";
        return vec![Remark::new(Standing::Blocks, about, words)];
    };
    let mut found = vec![Remark::new(
        Standing::Found,
        about.clone(),
        format!("split {}; {}", shape.split(), waiting(&queue)),
    )];
    found.extend(owners(place, shape));
    if shape.is_big_todo() {
        let words = "are hashed (big-todo), and stay so";
        found.push(Remark::new(Standing::Honoured, "todo and intd", words));
    }
    let usual = ["pid", "intd", "todo", "mess", "info", "local", "remote", "bounce", "lock", "quarantine"];
    for entry in queue.read_dir().into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !usual.contains(&name.as_str()) {
            let count = files(&entry.path());
            let standing =
                if name.starts_with("suppl") && count > 0 { Standing::Blocks } else { Standing::Ignored };
            let words = match standing {
                Standing::Blocks => {
                    format!("holds {count} messages of a channel of its own; let it drain first")
                }
                _ => "belongs to no channel of ours".to_owned(),
            };
            found.push(Remark::new(standing, entry.path().display().to_string(), words));
        }
    }
    found.push(Remark::new(
        Standing::Honoured,
        about,
        "every message that waits goes on, with its age and its next attempt",
    ));
    found
}

fn waiting(queue: &Path) -> String {
    let (all, new) = (files(&queue.join("mess")), files(&queue.join("todo")));
    format!(
        "{all} messages, {new} of them not preprocessed, {} with failures to report",
        files(&queue.join("bounce"))
    )
}

/// Files with decimal names, one level deep or two.
fn files(directory: &Path) -> usize {
    let mut count = 0usize;
    for entry in directory.read_dir().into_iter().flatten().flatten() {
        let is_number = entry.file_name().to_string_lossy().bytes().all(|b| b.is_ascii_digit());
        if entry.path().is_dir() {
            count = count.saturating_add(files(&entry.path()));
        } else if is_number {
            count = count.saturating_add(1);
        }
    }
    count
}

/// Each part of the queue belongs to one account; programs learn from it who they are.
fn owners(place: &Place, shape: Shape) -> Vec<Remark> {
    let mut wrong = Vec::new();
    for entry in layout::entries(shape) {
        let is_queue = entry.path.starts_with("queue") || entry.path == "alias";
        let Ok(found) = place.at(&entry.path).metadata() else {
            if is_queue && entry.kind == Kind::Directory {
                wrong.push(format!("{} is missing", entry.path));
            }
            continue;
        };
        let Some(uid) = place.people.uid(entry.owner) else {
            wrong.push(format!("there is no account {}", entry.owner));
            continue;
        };
        if is_queue && found.uid() != uid {
            let is = People::user_name(found.uid());
            wrong.push(format!("{} belongs to {is}, not to {}", entry.path, entry.owner));
        }
    }
    wrong.sort_unstable();
    wrong.dedup();
    let total = wrong.len();
    if total == 0 {
        return vec![Remark::new(
            Standing::Honoured,
            "accounts",
            "every part of the queue belongs to its account",
        )];
    }
    wrong.truncate(SHOWN_MAX);
    let more = total.saturating_sub(wrong.len());
    let mut words = wrong.join("; ");
    if more > 0 {
        words += &format!("; and {more} more");
    }
    words += ". The programs look accounts up by name: make accounts and owners agree first";
    vec![Remark::new(Standing::Blocks, "accounts", words)]
}

/// So many wrong owners are named.
const SHOWN_MAX: usize = 5;
