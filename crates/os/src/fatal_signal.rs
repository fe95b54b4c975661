//! Signals that end a program at once with an exit code of its own, and signals that it does not hear.

use std::io;
use std::sync::atomic::{AtomicI32, Ordering};

/// No signal has a higher number.
const SIGNAL_MAX: usize = 64;

/// Exit code for each signal; read by the handler.
static EXIT_CODES: [AtomicI32; SIGNAL_MAX + 1] = [const { AtomicI32::new(0) }; SIGNAL_MAX + 1];

/// From now on `signal` ends the process with `code`, without unwinding or flushing anything.
pub fn exit_on(signal: i32, code: u8) -> io::Result<()> {
    let slot =
        usize::try_from(signal).ok().and_then(|n| EXIT_CODES.get(n)).ok_or(io::ErrorKind::InvalidInput)?;
    slot.store(i32::from(code), Ordering::SeqCst);
    // SAFETY: the handler reads an atomic and calls _exit, both async-signal-safe; the call takes the function's address.
    let before = unsafe { libc::signal(signal, leave as extern "C" fn(libc::c_int) as libc::sighandler_t) };
    if before == libc::SIG_ERR { Err(io::Error::last_os_error()) } else { Ok(()) }
}

extern "C" fn leave(signal: libc::c_int) {
    let code =
        usize::try_from(signal).ok().and_then(|n| EXIT_CODES.get(n)).map_or(81, |c| c.load(Ordering::SeqCst));
    // SAFETY: _exit is async-signal-safe, takes an integer and does not return.
    unsafe { libc::_exit(code) }
}

/// From now on `signal` does nothing.
pub fn ignore(signal: i32) -> io::Result<()> {
    // SAFETY: ignoring a signal installs no handler; this takes integers only.
    let before = unsafe { libc::signal(signal, libc::SIG_IGN) };
    if before == libc::SIG_ERR { Err(io::Error::last_os_error()) } else { Ok(()) }
}
