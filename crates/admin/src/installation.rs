//! The tree of a private installation: one directory, everything owned by whoever makes it, named by `QUAIL_HOME`.
//!
//! Not the way to install for real: there every directory has an owner of its own (qmail's `instchown`).

use crate::layout::{self, Kind};
use nix::sys::stat::Mode;
use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A private installation.
#[derive(Clone, Debug)]
pub struct Installation {
    home: PathBuf,
}

impl Installation {
    /// Makes the whole tree below `home`, which may exist, with the modes of the original's.
    pub fn create(home: &Path) -> io::Result<Self> {
        for entry in layout::entries(layout::new_shape()) {
            let path = if entry.path.is_empty() { home.to_path_buf() } else { home.join(&entry.path) };
            match entry.kind {
                Kind::Directory => DirBuilder::new().recursive(true).create(&path)?,
                Kind::File { zeros } => File::create_new(&path)?.write_all(&vec![0; zeros])?,
                Kind::Fifo => nix::unistd::mkfifo(&path, Mode::S_IRUSR)?,
            }
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(entry.mode))?;
        }
        Ok(Self { home: home.to_path_buf() })
    }

    /// The directory.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Copies every program of `directory` into `bin`.
    pub fn copy_programs(&self, directory: &Path) -> io::Result<()> {
        copy_programs(directory, &self.home.join("bin"))
    }

    /// Writes a control file.
    pub fn control(&self, name: &str, content: &str) -> io::Result<()> {
        std::fs::write(self.home.join("control").join(name), content)
    }

    /// Gives `user` a home inside, with a Maildir, and returns the line for `users/assign` that says so. The line
    /// also gives the user every address `user-anything`.
    pub fn user(&self, user: &str) -> io::Result<String> {
        let home = self.home.join(user);
        for part in ["tmp", "new", "cur"] {
            DirBuilder::new().recursive(true).mode(0o700).create(home.join("Maildir").join(part))?;
        }
        let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
        let home = home.display();
        Ok(format!("={user}:{user}:{uid}:{gid}:{home}:::\n+{user}-:{user}:{uid}:{gid}:{home}:-::\n"))
    }

    /// Writes `users/assign`; qmail-newu(8) makes a database of it.
    pub fn assign(&self, lines: &str) -> io::Result<()> {
        let mut file = File::create(self.home.join("users/assign"))?;
        file.write_all(lines.as_bytes())?;
        file.write_all(b".\n")
    }
}

/// Copies every program of ours from one directory to another.
pub fn copy_programs(from: &Path, to: &Path) -> io::Result<()> {
    for path in programs_in(from)? {
        let Some(name) = path.file_name() else { continue };
        std::fs::copy(&path, to.join(name))?;
    }
    Ok(())
}

/// The programs of ours in a directory that holds other things too, as a build directory does.
pub fn programs_in(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in directory.read_dir()? {
        let path = entry?.path();
        if is_program(&path) {
            found.push(path);
        }
    }
    Ok(found)
}

fn is_program(path: &Path) -> bool {
    let is_executable = path.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0);
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    is_executable && crate::layout::is_program(&name)
}

#[cfg(test)]
mod tests {
    use super::Installation;

    #[test]
    fn the_tree_has_everything_the_original_has() {
        let scratch = tempfile::tempdir().unwrap();
        let tree = Installation::create(scratch.path()).unwrap();
        assert!(tree.home().join("queue/mess/22").is_dir());
        assert!(!tree.home().join("queue/mess/23").exists());
        assert_eq!(tree.home().join("queue/lock/tcpto").metadata().unwrap().len(), 1024);
        assert!(tree.user("you").unwrap().starts_with("=you:you:"));
        assert!(tree.home().join("you/Maildir/new").is_dir());
    }
}
