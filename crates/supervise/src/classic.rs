//! qmail-start(8): starts the helpers and becomes `qmail-send`, which keeps this process id.
//!
//! Says nothing when it fails, as the original, but for an account that is missing. New: where `run/queue` can be
//! bound and `qmail-queued` is installed, it is started too, and ends when `qmail-send` does, which unknowingly holds
//! the other end of its lifeline.

use std::ffi::OsString;
use std::io::{self, PipeWriter, pipe};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};

use os::process::become_for_good;

use crate::delivery::start_helpers;
use crate::door;
use crate::program::{Programs, occupy_low_descriptors};
use crate::roles::Roles;

/// The descriptor of `qmail-send` that keeps `qmail-queued` alive.
const LIFELINE: RawFd = 7;

/// Does it all; returns only when something fails. `output` is descriptor 1.
pub fn start(roles: &Roles, output: &OwnedFd, arguments: &[OsString]) -> io::Error {
    match try_start(roles, output, arguments) {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

fn try_start(
    roles: &Roles,
    output: &OwnedFd,
    arguments: &[OsString],
) -> io::Result<std::convert::Infallible> {
    let _held = occupy_low_descriptors()?;
    std::env::set_current_dir("/")?;
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    // Root keeps its uid and loses its groups: everything below inherits this.
    roles.root.map_or(Ok(()), become_for_good)?;
    let programs = Programs::ByPath;
    let default_delivery = arguments.first().cloned().unwrap_or_else(|| "./Mailbox".into());
    let logger = start_logger(&programs, roles, output.as_fd(), arguments.get(1..).unwrap_or_default())?;
    let log = logger.as_ref().map_or(output.as_fd(), |pipe| pipe.as_fd());
    let ends = start_helpers(&programs, roles, &default_delivery, None, &mut Vec::new())?;
    // The service is a convenience; programs that do not find it run qmail-queue themselves.
    let lifeline = start_queue_service(&programs, roles).ok();
    let mut fds: Vec<(BorrowedFd<'_>, RawFd)> = ends.descriptors(log).into();
    fds.extend(lifeline.as_ref().map(|pipe| (pipe.as_fd(), LIFELINE)));
    Err(programs.spawn("qmail-send", roles.send).exec(&fds))
}

/// The pipe to the logger, if one is asked for.
fn start_logger(
    programs: &Programs,
    roles: &Roles,
    output: BorrowedFd<'_>,
    command: &[OsString],
) -> io::Result<Option<PipeWriter>> {
    let Some((program, arguments)) = command.split_first() else { return Ok(None) };
    let (reader, writer) = pipe()?;
    programs.logger(program, arguments, roles.log).start(&[(reader.as_fd(), 0), (output, 1)])?;
    Ok(Some(writer))
}

fn start_queue_service(programs: &Programs, roles: &Roles) -> io::Result<PipeWriter> {
    let home = os::home::home();
    // Whoever connects to a socket that then goes away takes the queue for crashed.
    home.join("bin/qmail-queued").metadata()?;
    let listener = door::bind(&home)?;
    let (reader, writer) = pipe()?;
    if let Err(error) = door::serve(programs, roles, &listener, reader.as_fd(), None) {
        // Nobody will answer there.
        let _ = std::fs::remove_file(home.join("run/queue"));
        return Err(error);
    }
    Ok(writer)
}
