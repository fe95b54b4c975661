//! Flushes of the disk that a directory lies on, and commits of its file system's journal. They are counted for the whole
//! machine: what others do on it counts too.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The field of /sys/block/*/stat with completed flushes (the 16th; the kernel's Documentation/block/stat.rst).
const FLUSHES: usize = 15;

/// The disk of that directory, if it can be known.
pub fn statistics_of(directory: &Path) -> Option<PathBuf> {
    let device = std::fs::metadata(directory).ok()?.dev();
    let (major, minor) = (nix::sys::stat::major(device), nix::sys::stat::minor(device));
    let path = PathBuf::from(format!("/sys/dev/block/{major}:{minor}/stat"));
    path.exists().then_some(path)
}

/// How often it was flushed so far.
pub fn flushes(statistics: &Path) -> Option<u64> {
    std::fs::read_to_string(statistics).ok()?.split_whitespace().nth(FLUSHES)?.parse().ok()
}

/// Where ext4's journal below that directory tells about itself, if there is one.
pub fn journal_of(directory: &Path) -> Option<PathBuf> {
    let device = std::fs::metadata(directory).ok()?.dev();
    let (major, minor) = (nix::sys::stat::major(device), nix::sys::stat::minor(device));
    let block = std::fs::canonicalize(format!("/sys/dev/block/{major}:{minor}")).ok()?;
    let prefix = format!("{}-", block.file_name()?.to_str()?);
    // The name of the device and the inode of the journal.
    let entries = Path::new("/proc/fs/jbd2").read_dir().ok()?.filter_map(Result::ok);
    let info = |e: std::fs::DirEntry| e.path().join("info");
    entries.filter(|e| e.file_name().to_string_lossy().starts_with(&prefix)).map(info).find(|i| i.exists())
}

/// How many transactions it has committed so far: the first number in the file.
pub fn commits(journal: &Path) -> Option<u64> {
    first_number(&std::fs::read_to_string(journal).ok()?)
}

fn first_number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::first_number;

    #[test]
    fn commits_are_the_first_number() {
        let text = "168 transactions (160 requested), each up to 8192 blocks\naverage:\n  0ms waiting\n";
        assert_eq!(first_number(text), Some(168));
        assert_eq!(first_number(""), None);
    }
}
