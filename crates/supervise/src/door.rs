//! The queue door: the socket `run/queue` that `qmail-queued` answers on.

use std::fs::Permissions;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Child;

use crate::program::Programs;
use crate::roles::Roles;

/// Binds `home/run/queue`, open to every local program. A socket that somebody still answers on is left alone:
/// `AddrInUse`.
pub(crate) fn bind(home: &Path) -> io::Result<UnixListener> {
    let path = home.join("run/queue");
    make_directory(&home.join("run"))?;
    if UnixStream::connect(&path).is_ok() {
        return Err(io::ErrorKind::AddrInUse.into());
    }
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, Permissions::from_mode(0o666))?;
    Ok(listener)
}

/// The directory for sockets: an installation of the original has none.
fn make_directory(path: &Path) -> io::Result<()> {
    match std::fs::create_dir(path) {
        Ok(()) => std::fs::set_permissions(path, Permissions::from_mode(0o755)),
        Err(_) if path.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Starts `qmail-queued` behind it. It ends when `lifeline`, the reading end of a pipe, does.
pub(crate) fn serve(
    programs: &Programs,
    roles: &Roles,
    listener: &UnixListener,
    lifeline: BorrowedFd<'_>,
    errors: Option<BorrowedFd<'_>>,
) -> io::Result<Child> {
    let mut spawn = programs.spawn("qmail-queued", roles.queue);
    spawn.command().env("LISTEN_FDS", "1").env("QUAIL_LIFELINE_FD", "4");
    let mut fds = vec![(listener.as_fd(), 3), (lifeline, 4)];
    fds.extend(errors.map(|errors| (errors, 2)));
    spawn.start(&fds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_that_nobody_answers_on_is_replaced_and_a_live_one_is_not() {
        let home = tempfile::tempdir().unwrap();
        let first = bind(home.path()).unwrap();
        assert_eq!(bind(home.path()).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(first);
        bind(home.path()).unwrap();
        let mode = home.path().join("run/queue").metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o666);
    }
}
