//! The machine's shadow accounts, by the C library's name service (getspnam(3)). Only root sees them.

use std::ffi::{CStr, CString};
use std::io;

/// A record larger than this is not believed.
const RECORD_MAX_BYTES: usize = 1 << 16;

/// What stands beside a hash.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// As crypt(5) has it, or something that is no hash where there is no password.
    pub hash: Vec<u8>,
    /// Days since 1970 on which the account is no longer to be used, if there is such a day (shadow(5)).
    pub expires: Option<i64>,
    /// Days since 1970 after which the password is no longer to be used, if there is such a day.
    pub inactive_after: Option<i64>,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entry")
    }
}

/// The record of an account. `None`: there is none.
pub fn entry(name: &[u8]) -> io::Result<Option<Entry>> {
    let Ok(name) = CString::new(name) else { return Ok(None) };
    let mut size = 1024;
    while size <= RECORD_MAX_BYTES {
        match ask(&name, size) {
            Err(error) if error.raw_os_error() == Some(libc::ERANGE) => size = size.saturating_mul(4),
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH)) => {
                return Ok(None);
            }
            result => return result,
        }
    }
    Err(io::Error::from_raw_os_error(libc::ERANGE))
}

fn ask(name: &CStr, size: usize) -> io::Result<Option<Entry>> {
    let mut record = std::mem::MaybeUninit::<libc::spwd>::uninit();
    let mut text = vec![0 as libc::c_char; size];
    let mut found = std::ptr::null_mut();
    // SAFETY: the name ends with a NUL; the record, the text of that length and the pointer are ours to write.
    let error = unsafe {
        libc::getspnam_r(name.as_ptr(), record.as_mut_ptr(), text.as_mut_ptr(), text.len(), &raw mut found)
    };
    if error != 0 {
        return Err(io::Error::from_raw_os_error(error));
    }
    if found.is_null() {
        return Ok(None);
    }
    // SAFETY: it was found, so the record has been filled in.
    let record = unsafe { record.assume_init() };
    let hash = if record.sp_pwdp.is_null() {
        Vec::new()
    } else {
        // SAFETY: not null, it points to a string that ends with a NUL inside `text`, which is still there.
        unsafe { CStr::from_ptr(record.sp_pwdp) }.to_bytes().to_vec()
    };
    // -1 stands for an empty field.
    let day = |days: libc::c_long| (days >= 0).then_some(days);
    let (changed, longest, grace) = (day(record.sp_lstchg), day(record.sp_max), day(record.sp_inact));
    let inactive_after = match (changed, longest, grace) {
        (Some(changed), Some(longest), Some(grace)) => {
            Some(changed.saturating_add(longest).saturating_add(grace))
        }
        _ => None,
    };
    Ok(Some(Entry { hash, expires: day(record.sp_expire), inactive_after }))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_stranger_has_no_record() {
        // Without root it is an error, or not there, but never a record.
        assert!(!matches!(super::entry(b"no-such-account-here"), Ok(Some(_))));
        assert!(matches!(super::entry(b"a\0b"), Ok(None)));
    }
}
