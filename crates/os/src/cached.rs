//! Files read only as far as the kernel has them in memory: what would wait for a disk is `WouldBlock`.
//!
//! A kernel that does not know these calls, or a file system that does not, is one that always would wait.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat2};

/// `RESOLVE_CACHED` (Linux 5.12).
const CACHED: ResolveFlag = ResolveFlag::from_bits_retain(0x20);

/// Opens a file whose path is in memory. A name that is known not to exist is `NotFound`.
pub fn open(path: &Path, flags: OFlag) -> io::Result<OwnedFd> {
    let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(CACHED);
    openat2(AT_FDCWD, path, how).map_err(|error| match error {
        Errno::ENOENT => io::ErrorKind::NotFound.into(),
        _ => io::ErrorKind::WouldBlock.into(),
    })
}

/// Reads at `offset` what is in memory; how many bytes that was.
pub fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let Ok(offset) = libc::off_t::try_from(offset) else { return Err(io::ErrorKind::WouldBlock.into()) };
    let piece = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: the vector is one live, writable buffer of that length, and the descriptor is open during the call.
    let count = unsafe { libc::preadv2(file.as_raw_fd(), &raw const piece, 1, offset, libc::RWF_NOWAIT) };
    usize::try_from(count).map_err(|_| io::ErrorKind::WouldBlock.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_just_been_written_is_in_memory_or_would_wait() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, b"0123").unwrap();
        match open(&path, OFlag::O_RDONLY) {
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            Ok(file) => {
                let mut buffer = [0; 10];
                match read_at(&File::from(file), &mut buffer, 1) {
                    Ok(count) => assert_eq!(&buffer[..count], b"123"),
                    Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
                }
            }
        }
    }

    #[test]
    fn a_name_that_does_not_exist_is_never_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("nothing");
        assert!(std::fs::metadata(&path).is_err());
        let kind = open(&path, OFlag::O_PATH).unwrap_err().kind();
        assert!(matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::WouldBlock));
    }
}
