//! Who owns what in an installation (contract 1.3).

use crate::space::Accounts;
use std::fs;
use std::os::unix::fs::{PermissionsExt, lchown};
use std::path::{Path, PathBuf};

/// Everything to one.
pub fn all_to(top: &Path, uid: u32) {
    for path in walk(top) {
        lchown(&path, Some(uid), Some(uid)).expect("root may");
    }
}

/// Owners and modes as the original installs them, and homes for the people.
pub fn as_the_original(home: &Path, scratch: &Path, accounts: &Accounts) {
    let gid = accounts.named("qmailq").gid;
    let own = |path: &Path, who: &str, mode: u32| {
        let uid = if who == "root" { 0 } else { accounts.named(who).uid };
        lchown(path, Some(uid), Some(gid)).expect("root may");
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("root may");
    };
    for name in ["", "bin", "control", "users", "run"] {
        own(&home.join(name), "root", 0o755);
    }
    own(&home.join("alias"), "alias", 0o2755);
    let queue = home.join("queue");
    own(&queue, "qmailq", 0o750);
    for (name, who, mode) in [
        ("pid", "qmailq", 0o700),
        ("intd", "qmailq", 0o700),
        ("todo", "qmailq", 0o750),
        ("bounce", "qmails", 0o700),
        ("lock", "qmailq", 0o750),
        ("lock/tcpto", "qmailr", 0o644),
        ("lock/sendmutex", "qmails", 0o600),
        ("lock/trigger", "qmails", 0o622),
    ] {
        own(&queue.join(name), who, mode);
    }
    for (name, who, mode) in [
        ("mess", "qmailq", 0o750),
        ("info", "qmails", 0o700),
        ("local", "qmails", 0o700),
        ("remote", "qmails", 0o700),
    ] {
        for path in walk(&queue.join(name)).into_iter().filter(|p| p.is_dir()) {
            own(&path, who, mode);
        }
    }
    for path in walk(&home.join("bin")).into_iter().filter(|p| p.is_file()) {
        let is_queue = path.file_name().is_some_and(|n| n == "qmail-queue");
        let (who, mode) = if is_queue { ("qmailq", 0o4711) } else { ("root", 0o755) };
        own(&path, who, mode);
    }
    for name in ["joe", "ann"] {
        let account = accounts.named(name);
        let home = crate::space::home_of(scratch, name);
        for part in ["Maildir/tmp", "Maildir/new", "Maildir/cur"] {
            fs::create_dir_all(home.join(part)).unwrap();
        }
        for path in walk(&home) {
            lchown(&path, Some(account.uid), Some(account.gid)).unwrap();
        }
        fs::set_permissions(home.join("Maildir"), fs::Permissions::from_mode(0o700)).unwrap();
    }
}

/// A directory and everything below it.
fn walk(top: &Path) -> Vec<PathBuf> {
    let mut found = vec![top.to_path_buf()];
    let mut next = 0;
    while let Some(path) = found.get(next).cloned() {
        next += 1;
        if path.is_dir() && !path.is_symlink() {
            found.extend(path.read_dir().expect("root may").filter_map(Result::ok).map(|e| e.path()));
        }
    }
    found
}
