//! The environment of a program that strangers start with their own.

/// Forgets every variable. For a setuid program, at the start of `main`, while there is only one thread.
pub fn forget() {
    // SAFETY: clearenv takes nothing; nobody else reads or writes the environment, as the caller is still alone.
    unsafe {
        libc::clearenv();
    }
}
