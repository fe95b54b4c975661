//! Looking a local part up in `users/cdb` (qmail-users(5)).
//!
//! First the exact key, `!` local NUL. Then the wildcards, longest first: prefixes of `!` local, each tried only
//! where its last byte ends some wildcard (the list stands under the empty key); the rest of the local part, in
//! its own case, goes behind the last field.

use std::io;
use std::path::Path;

use cdb::{Cdb, ReadError};
use contracts::lookup::Owner;

/// Cannot tell from users/cdb, because …
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The file is there but does not open.
    #[error("cannot open users/cdb")]
    Open(#[source] io::Error),
    /// A damaged or unreadable file.
    #[error("cannot look up in users/cdb")]
    Lookup(#[from] ReadError),
    /// The list of wildcard ends is missing: qmail-newu(8) did not write this file.
    #[error("users/cdb has no list of wildcard ends")]
    NoWildcardEnds,
    /// The record found is not six fields with a numeric uid and gid.
    #[error("a record of users/cdb is not six fields with a numeric uid and gid")]
    Malformed,
}

/// The owner that the file at `path` gives to `local`. `None`: no such file, or nobody in it.
pub fn owner(path: &Path, local: &[u8]) -> Result<Option<Owner>, DatabaseError> {
    match Cdb::open(path) {
        Ok(cdb) => find(&cdb, local),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(DatabaseError::Open(error)),
    }
}

fn find(cdb: &Cdb, local: &[u8]) -> Result<Option<Owner>, DatabaseError> {
    let wildcard_ends = cdb.find(b"")?.ok_or(DatabaseError::NoWildcardEnds)?;
    let mut key = [b"!", local, b"\0"].concat();
    key.make_ascii_lowercase();
    if let Some(data) = cdb.find(&key)? {
        return decode(&data, b"");
    }
    key.pop();
    while let Some(&last) = key.last() {
        if (key.len() == 1 || wildcard_ends.contains(&last))
            && let Some(data) = cdb.find(&key)?
        {
            return decode(&data, local.get(key.len() - 1..).unwrap_or_default());
        }
        key.pop();
    }
    Ok(None)
}

fn decode(data: &[u8], rest: &[u8]) -> Result<Option<Owner>, DatabaseError> {
    let mut owner = Owner::decode(data).map_err(|_| DatabaseError::Malformed)?;
    owner.ext.extend_from_slice(rest);
    Ok(Some(owner))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(assign: &[u8]) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("users")).unwrap();
        std::fs::write(home.path().join("users/assign"), assign).unwrap();
        crate::compile::compile(home.path()).unwrap();
        home
    }

    #[test]
    fn exact_first_then_the_longest_wildcard() {
        let home = made(
            b"=joe:joe:1:10:/joe:::\n+joe-:joe:1:10:/joe:-:pre-:\n+joe-Special-:sp:2:20:/sp:-::\n+:rest:3:30:/rest:-::\n+JoeX:x:4:40:/x:::\n.\n",
        );
        let rows: [(&[u8], &[u8], &[u8]); 8] = [
            (b"joe", b"joe", b""),
            (b"JOE", b"joe", b""),
            (b"joe-", b"joe", b"pre-"),
            (b"joe-A-b", b"joe", b"pre-A-b"),
            (b"joe-SPECIAL-q-R", b"sp", b"q-R"),
            (b"Else-Where", b"rest", b"Else-Where"),
            (b"joexY", b"x", b"Y"),
            (b"", b"rest", b""),
        ];
        for (local, user, ext) in &rows {
            let got = owner(&home.path().join("users/cdb"), local).unwrap().unwrap();
            assert_eq!((&got.user[..], &got.ext[..]), (*user, *ext), "{local:?}");
        }
    }

    #[test]
    fn nobody_and_no_file_are_none() {
        let home = made(b"=joe:joe:1:10:/joe:::\n.\n");
        assert!(owner(&home.path().join("users/cdb"), b"ann").unwrap().is_none());
        assert!(owner(&home.path().join("users/none"), b"joe").unwrap().is_none());
    }

    #[test]
    fn damage_is_an_error_and_not_an_unknown_user() {
        let home = made(b"=joe:joe:x:10:/joe:::\n.\n");
        let file = home.path().join("users/cdb");
        assert!(matches!(owner(&file, b"joe"), Err(DatabaseError::Malformed)));
        std::fs::write(&file, b"junk").unwrap();
        assert!(matches!(owner(&file, b"joe"), Err(DatabaseError::Lookup(_))));
        std::fs::write(&file, [0; 2048]).unwrap();
        assert!(matches!(owner(&file, b"joe"), Err(DatabaseError::NoWildcardEnds)));
    }
}
