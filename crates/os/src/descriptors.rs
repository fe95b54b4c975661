//! The descriptors that whoever started us left open.

use std::os::fd::RawFd;

/// Closes every descriptor from `first` up (close_range(2), Linux 5.9; on an older kernel they stay open).
///
/// Only at the start of `main`, while nothing of ours is open: whatever has these numbers is gone.
pub fn close_from(first: RawFd) {
    let first = libc::c_uint::try_from(first).unwrap_or(libc::c_uint::MAX);
    // SAFETY: the call takes integers only. By this function's contract no value of ours owns one of the descriptors.
    unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, 0) };
}
