//! This process and its children: identities for good, and starting programs with exactly the descriptors
//! they need.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// True when the kernel started this program with more rights than its caller has (setuid, setgid, capabilities).
pub fn is_privileged_exec() -> bool {
    // SAFETY: getauxval reads the auxiliary vector that the kernel left for us and touches nothing else.
    (unsafe { libc::getauxval(libc::AT_SECURE) }) != 0
}

/// Takes a descriptor that whoever started us opened for us. `None` if it is not open.
///
/// Ask once for each number, at the start of `main`, before anything else could have got that number.
pub fn inherited_fd(number: RawFd) -> Option<OwnedFd> {
    // SAFETY: F_GETFD takes no pointer.
    let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
    if flags == -1 {
        return None;
    }
    // SAFETY: the descriptor is open (just asked), and by this function's contract nobody else owns it.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Listening sockets handed over by the starter or by socket activation (sd_listen_fds(3)): descriptors 3 and up,
/// as many as `LISTEN_FDS` says. `LISTEN_PID`, where it is set, must be us.
///
/// They get the close-on-exec flag. Ask once, at the start of `main`.
pub fn listening_sockets() -> Vec<OwnedFd> {
    const LISTEN_FDS_START: RawFd = 3;
    const LISTEN_FDS_MAX: RawFd = 64;
    let number = |name| std::env::var(name).ok().and_then(|v| v.parse::<i64>().ok());
    if number("LISTEN_PID").is_some_and(|pid| pid != i64::from(std::process::id())) {
        return Vec::new();
    }
    let count = number("LISTEN_FDS").unwrap_or(0).clamp(0, i64::from(LISTEN_FDS_MAX));
    (LISTEN_FDS_START..)
        .take(usize::try_from(count).unwrap_or(0))
        .filter_map(inherited_fd)
        .inspect(|fd| {
            let _ = nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC));
        })
        .collect()
}

/// Opens `/dev/null` on each of descriptors 0, 1 and 2 that is closed, so that no file we open gets one of these
/// numbers and is written to by mistake. For programs that strangers start.
pub fn fill_standard_fds() -> io::Result<()> {
    loop {
        let fd = nix::fcntl::open("/dev/null", nix::fcntl::OFlag::O_RDWR, nix::sys::stat::Mode::empty())?;
        if fd.as_raw_fd() > 2 {
            return Ok(());
        }
        std::mem::forget(fd); // It stays open under its low number for as long as we live.
    }
}

/// Whom a child becomes, for good.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identity {
    /// Real, effective and saved uid.
    pub uid: u32,
    /// The one and only group.
    pub gid: u32,
}

/// Becomes `identity` for good: the group list first, then the group, then the user, since afterwards we no
/// longer could. Fails if any trace of the old identity is left.
pub fn become_for_good(identity: Identity) -> io::Result<()> {
    use nix::unistd::{Gid, Uid, getresgid, getresuid, setgid, setgroups, setuid};
    let (uid, gid) = (Uid::from_raw(identity.uid), Gid::from_raw(identity.gid));
    setgroups(&[gid])?;
    setgid(gid)?;
    setuid(uid)?;
    let (u, g) = (getresuid()?, getresgid()?);
    let all_new = [u.real, u.effective, u.saved] == [uid; 3] && [g.real, g.effective, g.saved] == [gid; 3];
    if all_new { Ok(()) } else { Err(io::Error::from(io::ErrorKind::PermissionDenied)) }
}

/// A program to start, with exactly these descriptors and this identity.
///
/// Descriptors 0 to 2 that are not named are `/dev/null`; all others that are not named are closed (everything
/// Rust opens is close-on-exec). The environment is inherited unless changed on [`Spawn::command`].
#[derive(Debug)]
pub struct Spawn {
    command: Command,
    identity: Option<Identity>,
    orphan_signal: Option<nix::sys::signal::Signal>,
}

impl Spawn {
    /// `program` is found by PATH when it has no slash, as execvp(3) does.
    pub fn new(program: impl Into<OsString>) -> Self {
        let mut command = Command::new(program.into());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self { command, identity: None, orphan_signal: None }
    }

    /// Arguments, environment, directory, argv\[0\].
    pub fn command(&mut self) -> &mut Command {
        &mut self.command
    }

    /// Whom the child becomes before it executes the program. Without it, it stays whom we are.
    pub fn identity(&mut self, identity: Identity) -> &mut Self {
        self.identity = Some(identity);
        self
    }

    /// The child gets this signal when we die, however we do (PR_SET_PDEATHSIG). It is the death of the thread that
    /// starts it that counts, so that should be the main thread.
    pub fn signal_when_orphaned(&mut self, signal: nix::sys::signal::Signal) -> &mut Self {
        self.orphan_signal = Some(signal);
        self
    }

    /// Starts it. `fds` says which of our descriptors the child sees under which number; signals that we block or
    /// ignore are back to normal in it.
    pub fn start(mut self, fds: &[(BorrowedFd<'_>, RawFd)]) -> io::Result<Child> {
        // The standard descriptors become /dev/null in the child before `prepare` runs: what of ours is one of them
        // is given from a copy.
        let low = fds.iter().filter(|(ours, _)| ours.as_raw_fd() <= 2);
        let copies = low
            .map(|(ours, theirs)| Ok((ours.try_clone_to_owned()?, *theirs)))
            .collect::<io::Result<Vec<(OwnedFd, RawFd)>>>()?;
        let copied = copies.iter().map(|(ours, theirs)| (ours.as_raw_fd(), *theirs));
        let high = fds.iter().filter(|(ours, _)| ours.as_raw_fd() > 2);
        let wanted: Vec<(RawFd, RawFd)> =
            high.map(|(ours, theirs)| (ours.as_raw_fd(), *theirs)).chain(copied).collect();
        let (identity, orphan_signal) = (self.identity, self.orphan_signal);
        let parent = nix::unistd::getpid();
        let mut moved: Vec<(RawFd, RawFd)> = Vec::with_capacity(wanted.len());
        let prepare = move || {
            restore_signals()?;
            // First away from all target numbers, then onto them: a target may be another's source.
            let above = wanted.iter().map(|&(_, theirs)| theirs).max().unwrap_or(0).max(2).saturating_add(1);
            moved.clear();
            for &(ours, theirs) in &wanted {
                // SAFETY: F_DUPFD takes integers only.
                let high = unsafe { libc::fcntl(ours, libc::F_DUPFD_CLOEXEC, above) };
                if high == -1 {
                    return Err(io::Error::last_os_error());
                }
                moved.push((high, theirs)); // Within the capacity: nothing is allocated between fork and exec.
            }
            for &(high, theirs) in &moved {
                // SAFETY: dup2 takes integers only.
                if unsafe { libc::dup2(high, theirs) } == -1 {
                    return Err(io::Error::last_os_error());
                }
            }
            identity.map_or(Ok(()), become_for_good)?;
            // After the change of identity, which would undo it.
            if let Some(signal) = orphan_signal {
                nix::sys::prctl::set_pdeathsig(signal)?;
                if nix::unistd::getppid() != parent {
                    return Err(io::Error::from_raw_os_error(libc::ESRCH));
                }
            }
            Ok(())
        };
        // SAFETY: between fork and exec the closure makes system calls only; it neither allocates nor locks.
        unsafe { self.command.pre_exec(prepare) };
        self.command.spawn()
    }

    /// Becomes the program in this process: as [`Spawn::start`], without a child. Returns only on failure.
    pub fn exec(mut self, fds: &[(BorrowedFd<'_>, RawFd)]) -> io::Error {
        let wanted: Vec<(RawFd, RawFd)> =
            fds.iter().map(|(ours, theirs)| (ours.as_raw_fd(), *theirs)).collect();
        let above = wanted.iter().map(|&(_, theirs)| theirs).max().unwrap_or(0).max(2).saturating_add(1);
        // The standard descriptors that are not named are inherited here, not made /dev/null.
        self.command.stdin(Stdio::inherit()).stdout(Stdio::inherit()).stderr(Stdio::inherit());
        let mut moved = Vec::with_capacity(wanted.len());
        for &(ours, theirs) in &wanted {
            // SAFETY: F_DUPFD takes integers only.
            let high = unsafe { libc::fcntl(ours, libc::F_DUPFD_CLOEXEC, above) };
            if high == -1 {
                return io::Error::last_os_error();
            }
            moved.push((high, theirs));
        }
        for (high, theirs) in moved {
            // SAFETY: dup2 takes integers only. The target numbers are given up by the caller, who is about to
            // become another program.
            if unsafe { libc::dup2(high, theirs) } == -1 {
                return io::Error::last_os_error();
            }
        }
        if let Err(error) = restore_signals().and_then(|()| self.identity.map_or(Ok(()), become_for_good)) {
            return error;
        }
        self.command.exec()
    }
}

/// No signal blocked, none ignored: what a program expects at its start.
fn restore_signals() -> io::Result<()> {
    use nix::sys::signal::{SigSet, Signal};
    SigSet::empty().thread_set_mask()?;
    for signal in Signal::iterator().filter(|s| !matches!(s, Signal::SIGKILL | Signal::SIGSTOP)) {
        // SAFETY: the default action is no handler of ours; this takes integers only.
        if unsafe { libc::signal(signal as libc::c_int, libc::SIG_DFL) } == libc::SIG_ERR {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Ignores `SIGPIPE`: writing to a closed pipe is then an error value. (Rust's runtime does so already for `main`
/// programs; said again where it matters.)
pub fn ignore_sigpipe() {
    // SAFETY: ignoring a signal installs no handler; this takes integers only.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::fd::AsFd;

    #[test]
    fn a_child_sees_the_descriptors_it_was_given_even_when_numbers_cross() {
        let (mut reader, writer) = io::pipe().unwrap();
        let (from, mut to) = io::pipe().unwrap();
        to.write_all(b"hello").unwrap();
        drop(to);
        let mut spawn = Spawn::new("/bin/sh");
        spawn.command().args(["-c", "cat <&5 >&4"]);
        // Whatever numbers the pipes have, 4 and 5 may be among them.
        let mut child = spawn.start(&[(writer.as_fd(), 4), (from.as_fd(), 5)]).unwrap();
        drop(writer);
        let mut got = String::new();
        reader.read_to_string(&mut got).unwrap();
        assert_eq!(got, "hello");
        assert!(child.wait().unwrap().success());
    }

    #[test]
    fn our_own_standard_descriptors_can_be_given() {
        let status = |number: RawFd| {
            let mut spawn = Spawn::new("/bin/sh");
            spawn.command().args(["-c", "[ \"$(readlink /proc/self/fd/5)\" = \"$WANTED\" ]"]);
            let wanted = std::fs::read_link(format!("/proc/self/fd/{number}")).unwrap();
            spawn.command().env("WANTED", wanted);
            let stderr = std::io::stderr();
            spawn.start(&[(stderr.as_fd(), 5)]).unwrap().wait().unwrap()
        };
        assert!(status(2).success());
    }

    #[test]
    fn a_descriptor_that_is_not_open_is_not_inherited() {
        assert!(inherited_fd(987).is_none());
    }
}
