//! Other people's programs in a world.

use super::{STRANGER, World};
use crate::place::is_root;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

impl World {
    /// A copy of somebody else's program at a place that everybody of this world may read.
    pub fn borrow(&self, program: &Path) -> PathBuf {
        let copy = self.scratch().join(program.file_name().expect("a program has a name"));
        fs::copy(program, &copy).expect("a copy");
        copy
    }

    /// As [`World::borrow`], a whole tree, linked where that can be.
    pub fn borrow_tree(&self, tree: &Path) -> PathBuf {
        let copy = self.scratch().join(tree.file_name().expect("a tree has a name"));
        if !copy.exists() {
            link_or_copy(tree, &copy);
        }
        copy
    }

    /// Somebody else's program, in the surroundings of one of the installation's.
    pub fn foreign_program(&self, path: &Path) -> Command {
        let ours = self.program("qmail-smtpd");
        let mut command = Command::new(path);
        command.env_clear().envs(ours.get_envs().filter_map(|(n, v)| Some((n, v?)))).current_dir("/");
        if self.accounts.is_none() && is_root() {
            command.uid(STRANGER).gid(STRANGER);
        }
        command
    }
}

fn link_or_copy(from: &Path, to: &Path) {
    if from.is_symlink() {
        std::os::unix::fs::symlink(fs::read_link(from).unwrap(), to).unwrap();
    } else if from.is_dir() {
        fs::create_dir(to).unwrap();
        for entry in from.read_dir().unwrap().filter_map(Result::ok) {
            link_or_copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else if fs::hard_link(from, to).is_err() {
        fs::copy(from, to).unwrap();
    }
}
