//! The words for an errno, and which of them may pass by themselves.
//!
//! Bounces and logs of qmail carry its own wording, not the C library's, and tools and
//! people search for it; so do we (qmail-interfaces 14.9).

use std::io;

/// The wording of an errno value, as the original's error_str has it.
pub fn strerror(errno: i32) -> &'static str {
    match errno {
        0 => "no error",
        libc::EINTR => "interrupted system call",
        libc::ENOMEM => "out of memory",
        libc::ENOENT => "file does not exist",
        libc::ETXTBSY => "text busy",
        libc::EIO => "input/output error",
        libc::EEXIST => "file already exists",
        libc::ETIMEDOUT => "timed out",
        libc::EINPROGRESS => "operation in progress",
        libc::EAGAIN => "temporary failure",
        libc::EPIPE => "broken pipe",
        libc::EPERM => "permission denied",
        libc::EACCES => "access denied",
        libc::ESRCH => "no such process",
        libc::ENXIO => "device not configured",
        libc::E2BIG => "argument list too long",
        libc::ENOEXEC => "exec format error",
        libc::EBADF => "file descriptor not open",
        libc::ECHILD => "no child processes",
        libc::EDEADLK => "operation would cause deadlock",
        libc::EFAULT => "bad address",
        libc::ENOTBLK => "not a block device",
        libc::EBUSY => "device busy",
        libc::EXDEV => "cross-device link",
        libc::ENODEV => "device does not support operation",
        libc::ENOTDIR => "not a directory",
        libc::EISDIR => "is a directory",
        libc::EINVAL => "invalid argument",
        libc::ENFILE => "system cannot open more files",
        libc::EMFILE => "process cannot open more files",
        libc::ENOTTY => "not a tty",
        libc::EFBIG => "file too big",
        libc::ENOSPC => "out of disk space",
        libc::ESPIPE => "unseekable descriptor",
        libc::EROFS => "read-only file system",
        libc::EMLINK => "too many links",
        libc::EDOM => "input out of range",
        libc::ERANGE => "output out of range",
        libc::EALREADY => "operation already in progress",
        libc::ENOTSOCK => "not a socket",
        libc::EDESTADDRREQ => "destination address required",
        libc::EMSGSIZE => "message too long",
        libc::EPROTOTYPE => "incorrect protocol type",
        libc::ENOPROTOOPT => "protocol not available",
        libc::EPROTONOSUPPORT => "protocol not supported",
        libc::ESOCKTNOSUPPORT => "socket type not supported",
        libc::EOPNOTSUPP => "operation not supported",
        libc::EPFNOSUPPORT => "protocol family not supported",
        libc::EADDRINUSE => "address already used",
        libc::EADDRNOTAVAIL => "address not available",
        libc::ENETDOWN => "network down",
        libc::ENETUNREACH => "network unreachable",
        libc::ENETRESET => "network reset",
        libc::ECONNABORTED => "connection aborted",
        libc::ECONNRESET => "connection reset",
        libc::ENOBUFS => "out of buffer space",
        libc::EISCONN => "already connected",
        libc::ENOTCONN => "not connected",
        libc::ESHUTDOWN => "socket shut down",
        libc::ETOOMANYREFS => "too many references",
        libc::ECONNREFUSED => "connection refused",
        libc::ELOOP => "symbolic link loop",
        libc::ENAMETOOLONG => "file name too long",
        libc::EHOSTDOWN => "host down",
        libc::EHOSTUNREACH => "host unreachable",
        libc::ENOTEMPTY => "directory not empty",
        libc::EUSERS => "too many users",
        libc::EDQUOT => "disk quota exceeded",
        libc::ESTALE => "stale NFS file handle",
        libc::EREMOTE => "too many levels of remote in path",
        libc::ENOLCK => "no locks available",
        libc::ENOSYS => "system call not available",
        libc::ENOSTR => "not a stream device",
        libc::ETIME => "timer expired",
        libc::ENOSR => "out of stream resources",
        libc::ENOMSG => "no message of desired type",
        libc::EBADMSG => "bad message type",
        libc::EIDRM => "identifier removed",
        libc::ENONET => "machine not on network",
        libc::ENOLINK => "link severed",
        libc::EADV => "advertise error",
        libc::ESRMNT => "srmount error",
        libc::ECOMM => "communication error",
        libc::EPROTO => "protocol error",
        libc::EMULTIHOP => "multihop attempted",
        libc::EREMCHG => "remote address changed",
        _ => "unknown error",
    }
}

/// The wording of an I/O error; one that came from no system call is unknown.
pub fn of(error: &io::Error) -> &'static str {
    error.raw_os_error().map_or("unknown error", strerror)
}

/// As [`of`], with its own words for an error that came from no system call.
pub fn words_of(error: &io::Error) -> String {
    error.raw_os_error().map_or_else(|| error.to_string(), |number| strerror(number).to_owned())
}

/// Whether trying again later may help, by the original's list (qmail-interfaces 8.5).
///
/// EPERM and EACCES are not in it.
pub fn is_temporary(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::EINTR
                | libc::ENOMEM
                | libc::ETXTBSY
                | libc::EIO
                | libc::ETIMEDOUT
                | libc::EAGAIN
                | libc::EDEADLK
                | libc::EBUSY
                | libc::ENFILE
                | libc::EMFILE
                | libc::EFBIG
                | libc::ENOSPC
                | libc::ENETDOWN
                | libc::ENETUNREACH
                | libc::ENETRESET
                | libc::ECONNABORTED
                | libc::ECONNRESET
                | libc::ENOBUFS
                | libc::ETOOMANYREFS
                | libc::ECONNREFUSED
                | libc::EHOSTDOWN
                | libc::EHOSTUNREACH
                | libc::EUSERS
                | libc::EDQUOT
                | libc::ESTALE
                | libc::ENOLCK
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_the_originals() {
        for (errno, words) in [
            (libc::ENOENT, "file does not exist"),
            (libc::EACCES, "access denied"),
            (libc::EPERM, "permission denied"),
            (libc::ENOSPC, "out of disk space"),
            (libc::EAGAIN, "temporary failure"),
            (libc::ELOOP, "symbolic link loop"),
            (0, "no error"),
            (-1, "unknown error"),
            (99_999, "unknown error"),
        ] {
            assert_eq!(strerror(errno), words);
        }
    }

    #[test]
    fn a_full_disk_may_pass_and_a_missing_file_may_not() {
        assert!(is_temporary(&io::Error::from_raw_os_error(libc::ENOSPC)));
        assert!(!is_temporary(&io::Error::from_raw_os_error(libc::ENOENT)));
        assert!(!is_temporary(&io::Error::from_raw_os_error(libc::EACCES)));
        assert!(!is_temporary(&io::Error::other("no errno")));
    }
}
