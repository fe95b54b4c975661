//! crypt(5): the machine's own password hashes, by the C library that login(1) and passwd(1) use (libxcrypt).

use libc::{c_char, c_int, c_ulong, c_void};
use std::ffi::{CStr, CString};
use std::io;

/// At least as much as the library wants for its work: `sizeof (struct crypt_data)` is 32768 for good (crypt_rn(3)).
const WORK_WORDS: usize = 32768 / 8;

/// Room for a setting: CRYPT_GENSALT_OUTPUT_SIZE is 192.
const SETTING_MAX_BYTES: usize = 384;

#[link(name = "crypt")]
unsafe extern "C" {
    fn crypt_rn(phrase: *const c_char, setting: *const c_char, data: *mut c_void, size: c_int)
    -> *mut c_char;
    fn crypt_gensalt_rn(
        prefix: *const c_char,
        count: c_ulong,
        random: *const c_char,
        random_size: c_int,
        output: *mut c_char,
        output_size: c_int,
    ) -> *mut c_char;
}

/// The hash of `password` as `setting` asks for it; `setting` may be a whole hash. A password is right for a hash if this
/// gives that hash again. An error where the setting is none that the library knows, or there is not enough memory.
pub fn hash(password: &[u8], setting: &[u8]) -> io::Result<Vec<u8>> {
    let mut password = terminated(password)?;
    let setting = terminated(setting)?;
    let mut work = vec![0u64; WORK_WORDS];
    let size = c_int::try_from(WORK_WORDS.saturating_mul(8)).unwrap_or(0);
    // SAFETY: both strings end with a NUL, and the library writes into the work space, at most `size` bytes.
    let made = unsafe {
        crypt_rn(password.as_ptr().cast(), setting.as_ptr().cast(), work.as_mut_ptr().cast(), size)
    };
    let error = io::Error::last_os_error();
    let result = if made.is_null() {
        Err(error)
    } else {
        // SAFETY: not null, it points to a string that ends with a NUL inside the work space, which is still there.
        Ok(unsafe { CStr::from_ptr(made) }.to_bytes().to_vec())
    };
    crate::memory::wipe(&mut password);
    result
}

/// A setting with fresh salt and the library's usual cost. `prefix` names the method, such as `$y$` (crypt(5)).
pub fn fresh_setting(prefix: &str) -> io::Result<Vec<u8>> {
    let prefix = CString::new(prefix)?;
    let mut output = [0 as c_char; SETTING_MAX_BYTES];
    let size = c_int::try_from(output.len()).unwrap_or(0);
    // SAFETY: the prefix ends with a NUL; without random bytes of ours the library takes the kernel's; it writes into
    // the output, at most `size` bytes.
    let made =
        unsafe { crypt_gensalt_rn(prefix.as_ptr(), 0, std::ptr::null(), 0, output.as_mut_ptr(), size) };
    if made.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: not null, it is the output, where a string stands that ends with a NUL.
    Ok(unsafe { CStr::from_ptr(made) }.to_bytes().to_vec())
}

/// With a NUL at its end, and none before it.
fn terminated(bytes: &[u8]) -> io::Result<Vec<u8>> {
    if bytes.contains(&0) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut terminated = Vec::with_capacity(bytes.len().saturating_add(1));
    terminated.extend_from_slice(bytes);
    terminated.push(0);
    Ok(terminated)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_its_own_setting() {
        for prefix in ["$y$", "$2b$", "$6$"] {
            let setting = fresh_setting(prefix).unwrap();
            let made = hash(b"secret", &setting).unwrap();
            assert!(made.starts_with(prefix.as_bytes()) && made.len() > setting.len());
            assert_eq!(hash(b"secret", &made).unwrap(), made);
            assert_ne!(hash(b"Secret", &made).unwrap(), made);
        }
    }

    #[test]
    fn a_known_hash_comes_out() {
        // Drepper, "Unix crypt using SHA-256 and SHA-512", test vectors; openssl-passwd(1) says the same.
        let known = b"$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1";
        assert_eq!(hash(b"Hello world!", b"$6$saltstring").unwrap(), known);
    }

    #[test]
    fn what_is_no_setting_is_an_error() {
        for setting in ["", "*", "!", "!$6$saltstring$x", "$99$x", "x"] {
            assert!(hash(b"secret", setting.as_bytes()).is_err(), "{setting}");
        }
        assert!(hash(b"sec\0ret", b"$6$saltstring").is_err());
        assert!(fresh_setting("$99$").is_err());
    }
}
