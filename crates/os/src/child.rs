//! Waiting for a child together with other things.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::process::Child;

/// A descriptor that polls readable once `child` has ended (pidfd_open(2), Linux 5.3). It stands for this very
/// child, not for whoever gets its number later, and is close-on-exec.
///
/// The child must still be waited for. On an older kernel this fails with ENOSYS.
pub fn exit_descriptor(child: &Child) -> io::Result<OwnedFd> {
    // SAFETY: the call takes two integers and touches no memory of ours.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, libc::c_long::from(child.id()), 0_i64) };
    let fd = RawFd::try_from(fd).unwrap_or(-1);
    if fd == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::os::fd::AsFd;
    use std::process::Command;

    #[test]
    fn the_descriptor_tells_of_the_end() {
        let mut child = Command::new("/bin/cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let end = exit_descriptor(&child).unwrap();
        let ended = |timeout| poll(&mut [PollFd::new(end.as_fd(), PollFlags::POLLIN)], timeout).unwrap() == 1;
        assert!(!ended(PollTimeout::ZERO));
        drop(child.stdin.take());
        assert!(ended(PollTimeout::NONE));
        assert!(child.wait().unwrap().success());
    }
}
