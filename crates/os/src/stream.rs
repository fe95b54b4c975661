//! Small questions about a byte stream that somebody else opened.

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// True if reads and writes on it wait.
pub fn is_blocking(fd: impl AsFd) -> io::Result<bool> {
    Ok(!OFlag::from_bits_retain(fcntl(fd.as_fd(), FcntlArg::F_GETFL)?).contains(OFlag::O_NONBLOCK))
}

/// Tells the other end of a socket that nothing more follows; without effect on what is no socket.
pub fn end_output(fd: impl AsFd) {
    let _ = nix::sys::socket::shutdown(fd.as_fd().as_raw_fd(), nix::sys::socket::Shutdown::Write);
}
