//! Who is logged in where: the records of utmp(5), in the layout of this machine's C library.

use std::io;
use std::mem::{offset_of, size_of};
use std::path::Path;

/// The file of the machine.
pub const PATH: &str = "/var/run/utmp";

/// The longest file that is read.
const FILE_MAX_BYTES: u64 = 4 << 20;

/// Bytes of a terminal's and of an account's name.
const NAME_BYTES: usize = 32;

/// Somebody on a terminal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    /// The terminal, below `/dev`.
    pub line: Vec<u8>,
    /// The account's name.
    pub user: Vec<u8>,
}

/// The sessions of users; other records are left out.
pub fn sessions(path: &Path) -> io::Result<Vec<Session>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(FILE_MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes.chunks_exact(size_of::<libc::utmpx>()).filter_map(session).collect())
}

fn session(record: &[u8]) -> Option<Session> {
    let kind = record.get(offset_of!(libc::utmpx, ut_type)..)?.first_chunk::<2>()?;
    if i16::from_ne_bytes(*kind) != libc::USER_PROCESS {
        return None;
    }
    let text = |at: usize| {
        let field = record.get(at..at.checked_add(NAME_BYTES)?)?;
        Some(field.split(|&b| b == 0).next().unwrap_or_default().to_vec())
    };
    Some(Session {
        line: text(offset_of!(libc::utmpx, ut_line))?,
        user: text(offset_of!(libc::utmpx, ut_user))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_and_any_bytes_are_read() {
        let size = size_of::<libc::utmpx>();
        let mut records = vec![0; size * 2 + 5];
        records[offset_of!(libc::utmpx, ut_type)..][..2].copy_from_slice(&libc::USER_PROCESS.to_ne_bytes());
        records[offset_of!(libc::utmpx, ut_line)..][..4].copy_from_slice(b"pts0");
        records[offset_of!(libc::utmpx, ut_user)..][..3].copy_from_slice(b"joe");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &records).unwrap();
        assert_eq!(
            sessions(file.path()).unwrap(),
            [Session { line: b"pts0".to_vec(), user: b"joe".to_vec() }]
        );
        for byte in 0..=255 {
            std::fs::write(file.path(), vec![byte; size + 1]).unwrap();
            assert!(sessions(file.path()).unwrap().len() <= 1);
        }
    }
}
