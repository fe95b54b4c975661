//! An unpacked package whose programs the users of a world run: from `.qmail`, from run scripts, by hand.

use super::libraries;
use crate::World;
use crate::place::{package, skip};
use std::path::PathBuf;
use std::process::Command;

/// A copy of it that everybody of the world may read.
#[derive(Clone, Debug)]
pub struct Package {
    root: PathBuf,
}

impl Package {
    /// That package for that world. Where it cannot be had, this says aloud that the test is not run.
    pub fn lend(name: &str, world: &World) -> Option<Self> {
        match package(name) {
            Some(root) => Some(Self { root: world.borrow_tree(&root) }),
            None => {
                skip(&format!("{name} cannot be had"));
                None
            }
        }
    }

    /// A file of the package.
    pub fn path(&self, inner: &str) -> PathBuf {
        self.root.join(inner)
    }

    /// A program of the package as a shell starts it, with its libraries.
    pub fn shell(&self, inner: &str) -> String {
        format!("env LD_LIBRARY_PATH={} {}", libraries(&self.root), self.path(inner).display())
    }

    /// A program of the package, as one of the installation's is started.
    pub fn command(&self, world: &World, inner: &str) -> Command {
        let mut command = world.foreign_program(&self.path(inner));
        command.env("LD_LIBRARY_PATH", libraries(&self.root));
        command
    }

    /// Where its libraries are, as the loader wants it.
    pub fn libraries(&self) -> String {
        libraries(&self.root)
    }
}
