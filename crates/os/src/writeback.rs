//! The transfer of a file's bytes to the device, without what makes it durable.

use std::{fs::File, io, os::fd::AsRawFd};

/// Asks the kernel to begin writing what is dirty in `file`. Makes nothing durable: it only lets the syncs of several
/// files that follow share one wait. Failure is not told, as the sync will.
pub fn start(file: &File) {
    // SAFETY: the descriptor is open for the length of the call; the call takes integers and touches no memory of ours.
    unsafe {
        libc::sync_file_range(file.as_raw_fd(), 0, 0, libc::SYNC_FILE_RANGE_WRITE);
    }
}

/// Returns when everything written to `file` so far has been handed to the device, and space for it allotted. Makes
/// nothing durable: the device may still forget it, and nothing may lead to the file.
pub fn finish(file: &File) -> io::Result<()> {
    const ALL: libc::c_uint =
        libc::SYNC_FILE_RANGE_WAIT_BEFORE | libc::SYNC_FILE_RANGE_WRITE | libc::SYNC_FILE_RANGE_WAIT_AFTER;
    loop {
        // SAFETY: as above.
        if unsafe { libc::sync_file_range(file.as_raw_fd(), 0, 0, ALL) } == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}
