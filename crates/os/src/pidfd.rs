//! A descriptor that becomes readable when a child has ended, so that one `poll` can wait for pipes and children.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::process::Child;

/// The descriptor for a child that has not been waited for yet. It is close-on-exec. The child still has to be
/// waited for once it is readable.
pub fn of(child: &Child) -> io::Result<OwnedFd> {
    let pid = libc::c_long::from(i32::try_from(child.id()).map_err(io::Error::other)?);
    // SAFETY: pidfd_open takes integers only; the pid is ours until we wait for it.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0 as libc::c_long) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    let fd = RawFd::try_from(fd).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::process::Command;

    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    #[test]
    fn it_is_readable_once_the_child_has_ended() {
        let mut child = Command::new("/bin/true").spawn().unwrap();
        let fd = super::of(&child).unwrap();
        poll(&mut [PollFd::new(fd.as_fd(), PollFlags::POLLIN)], PollTimeout::from(10_000u16)).unwrap();
        assert!(child.try_wait().unwrap().unwrap().success());
    }
}
