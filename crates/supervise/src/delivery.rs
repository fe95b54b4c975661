//! The four programs that deliver, and the pipes between them (contract 5.1).
//!
//! ```text
//! qmail-send  0 log   1 -> lspawn 0   2 <- lspawn 1   3 -> rspawn 0   4 <- rspawn 1   5 -> clean 0   6 <- clean 1
//! ```
//!
//! They live and die together: each ends when the pipe from the others does.

use std::ffi::OsString;
use std::io::{self, PipeReader, PipeWriter, pipe};
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::process::Child;

use os::process::Spawn;

use crate::program::Programs;
use crate::roles::Roles;

/// qmail-send's ends of the pipes, in the order of its descriptors 1 to 6.
#[derive(Debug)]
pub(crate) struct Ends {
    to_local: PipeWriter,
    from_local: PipeReader,
    to_remote: PipeWriter,
    from_remote: PipeReader,
    to_clean: PipeWriter,
    from_clean: PipeReader,
}

impl Ends {
    /// qmail-send's descriptors.
    pub fn descriptors<'a>(&'a self, log: BorrowedFd<'a>) -> [(BorrowedFd<'a>, RawFd); 7] {
        [
            (log, 0),
            (self.to_local.as_fd(), 1),
            (self.from_local.as_fd(), 2),
            (self.to_remote.as_fd(), 3),
            (self.from_remote.as_fd(), 4),
            (self.to_clean.as_fd(), 5),
            (self.from_clean.as_fd(), 6),
        ]
    }
}

/// Starts `qmail-lspawn`, `qmail-rspawn` and `qmail-clean`, in this order; each is in `started` as soon as it runs.
/// `errors` is their descriptor 2, if not /dev/null.
pub(crate) fn start_helpers(
    programs: &Programs,
    roles: &Roles,
    default_delivery: &OsString,
    errors: Option<BorrowedFd<'_>>,
    started: &mut Vec<(&'static str, Child)>,
) -> io::Result<Ends> {
    let mut start = |name, identity, argument: Option<&OsString>| {
        let mut spawn = programs.spawn(name, identity);
        spawn.command().args(argument);
        let (to, from, child) = start_between_pipes(spawn, errors)?;
        started.push((name, child));
        io::Result::Ok((to, from))
    };
    let (to_local, from_local) = start("qmail-lspawn", roles.root, Some(default_delivery))?;
    let (to_remote, from_remote) = start("qmail-rspawn", roles.remote, None)?;
    let (to_clean, from_clean) = start("qmail-clean", roles.queue, None)?;
    Ok(Ends { to_local, from_local, to_remote, from_remote, to_clean, from_clean })
}

fn start_between_pipes(
    spawn: Spawn,
    errors: Option<BorrowedFd<'_>>,
) -> io::Result<(PipeWriter, PipeReader, Child)> {
    let ((its_input, to), (from, its_output)) = (pipe()?, pipe()?);
    let mut fds = vec![(its_input.as_fd(), 0), (its_output.as_fd(), 1)];
    fds.extend(errors.map(|errors| (errors, 2)));
    Ok((to, from, spawn.start(&fds)?))
}
