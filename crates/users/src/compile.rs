//! qmail-newu(8): compiles `users/assign` into `users/cdb`.
//!
//! The new database is written beside the old one, synced, and put in its place by rename: whoever looks a user
//! up meanwhile reads the old or the new, whole. Two at once take turns at a lock on `users/cdb.tmp`, which is
//! the original's name and stays behind, empty, after a failure (D53).

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use cdb::Replacement;

use crate::assign::{AssignError, parse};

/// The texts that qmail-newu(8) prints behind `qmail-newu: fatal: `.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// users/assign does not open.
    #[error("unable to open users/assign")]
    OpenAssign(#[source] io::Error),
    /// users/assign does not read.
    #[error("unable to read users/assign")]
    ReadAssign(#[source] io::Error),
    /// users/assign breaks a rule; the source names the line.
    #[error("bad format in users/assign")]
    Format(#[from] AssignError),
    /// The temporary file does not open, or cannot be locked.
    #[error("unable to open users/cdb.tmp")]
    OpenTemporary(#[source] io::Error),
    /// The temporary file cannot be written, or would be larger than 4 GiB.
    #[error("unable to write users/cdb.tmp")]
    WriteTemporary(#[source] cdb::WriteError),
    /// The rename, or the sync of the directory after it, fails.
    #[error("unable to move users/cdb.tmp to users/cdb")]
    Move(#[source] io::Error),
}

/// Compiles `home/users/assign` into `home/users/cdb`, mode 0644. The old one stays on any failure.
pub fn compile(home: &Path) -> Result<(), CompileError> {
    let users = home.join("users");
    let mut assign = File::open(users.join("assign")).map_err(CompileError::OpenAssign)?;
    let new = Replacement::begin(&users.join("cdb.tmp")).map_err(CompileError::OpenTemporary)?;
    let mut text = Vec::new();
    assign.read_to_end(&mut text).map_err(CompileError::ReadAssign)?;
    let assignments = parse(&text)?;
    let owners = assignments.records.iter().map(|record| (record.key.as_slice(), record.data.as_slice()));
    let ends = (b"".as_slice(), assignments.wildcard_ends.as_slice());
    new.write(owners.chain([ends])).map_err(CompileError::WriteTemporary)?;
    new.put_at(&users.join("cdb")).map_err(CompileError::Move)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn home(assign: &[u8]) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("users")).unwrap();
        std::fs::write(home.path().join("users/assign"), assign).unwrap();
        home
    }

    #[test]
    fn a_bad_file_leaves_the_old_database() {
        let home = home(b"=joe:joe:1:1:/h::\n.\n");
        std::fs::write(home.path().join("users/cdb"), "old").unwrap();
        let error = compile(home.path()).unwrap_err();
        assert_eq!(error.to_string(), "bad format in users/assign");
        assert!(matches!(error, CompileError::Format(AssignError { line: 1, .. })));
        assert_eq!(std::fs::read(home.path().join("users/cdb")).unwrap(), b"old");
    }

    #[test]
    fn the_temporary_name_is_gone_afterwards_and_the_mode_is_right() {
        let home = home(b".\n");
        compile(home.path()).unwrap();
        assert!(!home.path().join("users/cdb.tmp").exists());
        let mode = home.path().join("users/cdb").metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o644);
    }

    #[test]
    fn several_at_once_take_turns() {
        let home = home(b"=joe:joe:1:1:/h:::\n.\n");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10).for_each(|_| compile(home.path()).unwrap()));
            }
        });
        assert!(crate::database::owner(&home.path().join("users/cdb"), b"joe").unwrap().is_some());
    }
}
