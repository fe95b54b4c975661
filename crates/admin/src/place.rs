//! Where an installation is, and who is who in it.

use crate::layout::Shape;
use nix::unistd::{Group, Uid, User, getegid, geteuid};
use std::path::{Path, PathBuf};

/// An installation and the machine around it.
#[derive(Clone, Debug)]
pub struct Place {
    /// The installation.
    pub home: PathBuf,
    /// The machine: `/`, but for tests.
    pub root: PathBuf,
    /// Who is who.
    pub people: People,
}

/// How names of accounts become numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum People {
    /// By the account files of the machine.
    Accounts,
    /// A private installation: everybody is this caller.
    Caller,
}

impl Place {
    /// The installation of this machine, or the private one that `QUAIL_HOME` names.
    pub fn here() -> Self {
        let people = if os::home::is_rootless() { People::Caller } else { People::Accounts };
        Self { home: os::home::home(), root: PathBuf::from("/"), people }
    }

    /// A path in the installation.
    pub fn at(&self, path: &str) -> PathBuf {
        if path.is_empty() { self.home.clone() } else { self.home.join(path) }
    }

    /// The names of its control files, sorted.
    pub fn control_files(&self) -> Vec<String> {
        let entries = self.at("control").read_dir().into_iter().flatten().flatten();
        let mut names: Vec<_> = entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        names.sort_unstable();
        names
    }

    /// A path of the machine outside the installation; absolute.
    pub fn outside(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// The shape of its queue; `None` when there is no queue yet, or one with gaps.
    pub fn shape(&self) -> Option<Shape> {
        Shape::detect(&queue::real::RealDisk::at(&self.at("queue"))).ok()
    }
}

impl People {
    /// The number of a user.
    pub fn uid(self, name: &str) -> Option<u32> {
        match self {
            Self::Caller => Some(geteuid().as_raw()),
            Self::Accounts if name == "root" => Some(0),
            Self::Accounts => User::from_name(name).ok().flatten().map(|u| u.uid.as_raw()),
        }
    }

    /// The number of a group.
    pub fn gid(self, name: &str) -> Option<u32> {
        match self {
            Self::Caller => Some(getegid().as_raw()),
            Self::Accounts => Group::from_name(name).ok().flatten().map(|g| g.gid.as_raw()),
        }
    }

    /// What a person calls that user.
    pub fn user_name(uid: u32) -> String {
        let found = User::from_uid(Uid::from_raw(uid)).ok().flatten();
        found.map_or_else(|| format!("uid {uid}"), |user| user.name)
    }

    /// What a person calls that group.
    pub fn group_name(gid: u32) -> String {
        let found = Group::from_gid(nix::unistd::Gid::from_raw(gid)).ok().flatten();
        found.map_or_else(|| format!("gid {gid}"), |group| group.name)
    }
}

/// A path as one word of a shell.
pub fn quoted(path: &Path) -> String {
    quoted_text(&path.to_string_lossy())
}

/// Text as one word of a shell.
pub fn quoted_text(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@=,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted_text;

    #[test]
    fn words_are_quoted_when_they_must_be() {
        for (text, word) in
            [("/var/qmail", "/var/qmail"), ("a b", "'a b'"), ("it's", r"'it'\''s'"), ("", "''")]
        {
            assert_eq!(quoted_text(text), word);
        }
    }
}
