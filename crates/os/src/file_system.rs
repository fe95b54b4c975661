//! What kind of promises the file system under a directory makes.

use nix::sys::{
    stat::{major, minor},
    statfs::{EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, statfs},
};
use std::{fs, os::unix::fs::MetadataExt, path::Path};

/// True where changes become durable in the order in which they are made: when a name is found after a power cut, so
/// is every name made before it on that file system, and so are all bytes whose write-out was waited for before it.
///
/// So it is with xfs and with ext4 that has a journal: names, sizes and extents are written through one journal in
/// order, a commit flushes the device before it counts, and a write-out has ended when its extents are in the journal.
/// A file system that is not known to be like that, or cannot be looked at (no `/sys`), is not.
pub fn keeps_order(directory: &Path) -> bool {
    match statfs(directory).map(|found| found.filesystem_type()) {
        Ok(XFS_SUPER_MAGIC) => true,
        // The number is that of ext2 and ext3 as well, and a journal may be left out.
        Ok(EXT4_SUPER_MAGIC) => has_journal(directory).unwrap_or(false),
        _ => false,
    }
}

fn has_journal(directory: &Path) -> std::io::Result<bool> {
    let device = fs::metadata(directory)?.dev();
    let link = fs::read_link(format!("/sys/dev/block/{}:{}", major(device), minor(device)))?;
    let name = link.file_name().ok_or(std::io::ErrorKind::NotFound)?;
    Ok(Path::new("/sys/fs/ext4").join(name).join("journal_task").exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_system_with_a_journal_keeps_no_order() {
        for path in ["/proc", "/sys", "/dev/shm", "/nowhere"] {
            assert!(!keeps_order(Path::new(path)), "{path}");
        }
    }
}
