//! Memory that held a secret.

/// Overwrites it, in a way that no compiler leaves out.
pub fn wipe(bytes: &mut [u8]) {
    // SAFETY: the slice is ours to write, and exactly that long.
    unsafe { libc::explicit_bzero(bytes.as_mut_ptr().cast(), bytes.len()) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn nothing_is_left() {
        let mut secret = *b"secret";
        super::wipe(&mut secret);
        assert_eq!(secret, [0; 6]);
        super::wipe(&mut []);
    }
}
