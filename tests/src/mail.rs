//! What is in a Maildir.

use crate::place::deadline;
use std::path::{Path, PathBuf};

/// The new messages, in no order.
pub fn new_in(maildir: &Path) -> Vec<PathBuf> {
    // Some make the directories with the first message.
    let entries = maildir.join("new").read_dir().into_iter().flatten();
    entries.filter_map(Result::ok).map(|e| e.path()).collect()
}

/// Waits for `count` new messages and gives their texts.
#[track_caller]
pub fn wait_for(maildir: &Path, count: usize) -> Vec<String> {
    let caller = std::panic::Location::caller();
    deadline(&format!("{count} messages in {} ({caller})", maildir.display()), || {
        new_in(maildir).len() >= count
    });
    texts(maildir)
}

/// The texts of all new messages.
pub fn texts(maildir: &Path) -> Vec<String> {
    let read = |p: &PathBuf| String::from_utf8_lossy(&std::fs::read(p).expect("a message")).into_owned();
    new_in(maildir).iter().map(read).collect()
}
