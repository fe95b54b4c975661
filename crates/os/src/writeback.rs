//! Starting the transfer of a file's bytes to the device without waiting for it.

use std::{fs::File, os::fd::AsRawFd};

/// Asks the kernel to begin writing what is dirty in `file`. Makes nothing durable: it only lets the syncs of several
/// files that follow share one wait. Failure is not told, as the sync will.
pub fn start(file: &File) {
    // SAFETY: the descriptor is open for the length of the call; the call takes integers and touches no memory of ours.
    unsafe {
        libc::sync_file_range(file.as_raw_fd(), 0, 0, libc::SYNC_FILE_RANGE_WRITE);
    }
}
