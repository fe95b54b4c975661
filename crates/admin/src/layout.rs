//! What an installation consists of: the tree with its owners and modes, and the programs (contract 1.3).
//!
//! `quail setup` makes it, `quail check` compares with it, `quail adopt` puts programs into it. Documentation
//! directories of the original (`doc`, `man`, `boot`) are not part of it: nothing reads them.

mod modes;

use modes::FOR_PROGRAMS;
pub use modes::program_owner;
pub use queue::layout::Layout as Shape;

/// Directories under `mess`, `info`, `local` and `remote` of a new queue (conf-split).
pub const SPLIT: u64 = 23;

/// Bytes of `queue/lock/tcpto`: 64 records of 16.
pub const TCPTO_BYTES: usize = 1024;

/// The group of everything in the tree.
pub const GROUP: &str = "qmail";

/// What an entry of the tree is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A file; a new one holds this many zero bytes.
    File {
        /// How many.
        zeros: usize,
    },
    /// A named pipe.
    Fifo,
}

/// One directory, or one file that is there from the first day.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Below the home directory; empty for that itself.
    pub path: String,
    /// What it is.
    pub kind: Kind,
    /// Its owner.
    pub owner: &'static str,
    /// Its mode.
    pub mode: u32,
}

/// The shape of a new queue.
pub fn new_shape() -> Shape {
    Shape::with_split(SPLIT)
}

/// The tree, parents first, for a queue of this shape.
pub fn entries(shape: Shape) -> Vec<Entry> {
    let directory = |path: &str, owner, mode| Entry { path: path.into(), kind: Kind::Directory, owner, mode };
    let mut found = vec![
        directory("", "root", 0o755),
        directory("alias", "alias", 0o2755),
        directory("bin", "root", 0o755),
        directory("control", "root", 0o755),
        directory("users", "root", 0o755),
        directory("run", "root", 0o755),
        directory("queue", "qmailq", 0o750),
        directory("queue/pid", "qmailq", 0o700),
        directory("queue/intd", "qmailq", 0o700),
        directory("queue/todo", "qmailq", 0o750),
        directory("queue/bounce", "qmails", 0o700),
    ];
    for (name, owner, mode) in [
        ("mess", "qmailq", 0o750),
        ("info", "qmails", 0o700),
        ("local", "qmails", 0o700),
        ("remote", "qmails", 0o700),
    ] {
        found.push(directory(&format!("queue/{name}"), owner, mode));
        found.extend((0..shape.split()).map(|n| directory(&format!("queue/{name}/{n}"), owner, mode)));
    }
    if shape.is_big_todo() {
        for (name, mode) in [("todo", 0o750), ("intd", 0o700)] {
            let parts = (0..shape.split()).map(|n| directory(&format!("queue/{name}/{n}"), "qmailq", mode));
            found.extend(parts);
        }
    }
    found.push(directory("queue/lock", "qmailq", 0o750));
    let lock =
        |name: &str, kind, owner, mode| Entry { path: format!("queue/lock/{name}"), kind, owner, mode };
    found.push(lock("tcpto", Kind::File { zeros: TCPTO_BYTES }, "qmailr", 0o644));
    found.push(lock("sendmutex", Kind::File { zeros: 0 }, "qmails", 0o600));
    found.push(lock("trigger", Kind::Fifo, "qmails", 0o622));
    found
}

/// Programs that anybody runs; those that begin with `qmail-` need not be named here.
const FOR_ALL: [&str; 35] = [
    "bouncesaying",
    "checkpassword",
    "condredirect",
    "datemail",
    "dot-forward",
    "elq",
    "except",
    "fastforward",
    "forward",
    "maildir2mbox",
    "maildirmake",
    "maildirwatch",
    "mailq",
    "mailsubj",
    "newaliases",
    "newinclude",
    "pinq",
    "predate",
    "preline",
    "printforward",
    "printmaillist",
    "qail",
    "qbiff",
    "qreceipt",
    "qsmhook",
    "quail",
    "rblsmtpd",
    "sendmail",
    "setforward",
    "setmaillist",
    "tcp-env",
    "tcprules",
    "tcprulescheck",
    "tcpserver",
    "quail-checkpassword",
];

/// Whether a program of that name belongs to an installation.
pub fn is_program(name: &str) -> bool {
    let ours = name.starts_with("qmail-") || name.starts_with("quail-") || FOR_ALL.contains(&name);
    (ours || FOR_PROGRAMS.contains(&name)) && !name.contains(['.', '/'])
}

#[cfg(test)]
mod tests {
    use super::modes::FOR_ROOT;
    use super::*;

    #[test]
    fn parents_come_before_children() {
        let entries = entries(new_shape().with_big_todo());
        assert!(entries.iter().any(|entry| entry.path == "queue/intd/22" && entry.mode == 0o700));
        for (at, entry) in entries.iter().enumerate().skip(1) {
            let parent = entry.path.rsplit_once('/').map_or("", |(parent, _)| parent);
            assert!(entries[..at].iter().any(|e| e.path == parent), "{}", entry.path);
        }
    }

    #[test]
    fn only_qmail_queue_is_setuid() {
        let setuid = |name: &&str| program_owner(name).1 & 0o6000 != 0;
        let all = FOR_ROOT.iter().chain(&FOR_PROGRAMS).chain(&FOR_ALL).chain(&["qmail-queue"]).copied();
        assert_eq!(all.filter(setuid).collect::<Vec<_>>(), ["qmail-queue"]);
    }

    #[test]
    fn every_program_of_the_project_belongs_to_an_installation() {
        let programs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../programs");
        for identity in programs.read_dir().unwrap().flatten() {
            let Ok(bin) = identity.path().join("src/bin").read_dir() else { continue };
            for file in bin.flatten() {
                let name = file.path().file_stem().unwrap().to_string_lossy().into_owned();
                assert!(is_program(&name), "{name} is to be named in {}", file!());
            }
        }
    }
}
