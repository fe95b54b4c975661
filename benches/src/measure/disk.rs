//! Flushes of the disk that a directory lies on. They are counted for the whole machine: what others do on it counts too.

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
