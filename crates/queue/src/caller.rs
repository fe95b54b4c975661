//! Who hands a message over, judged by his uid: what the `Received` line will say of him (contract 14.2).
//!
//! alias and qmails are the owners of their directories. Nothing belongs to qmaild, so that one is looked up, in
//! `/etc/passwd` itself: no name-service module runs with the privilege of a setuid program (D36).

use message::received::InvokedBy;
use os::home::Owners;
use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

/// How much of the account file is looked at.
const PASSWD_MAX_BYTES: u64 = 64 << 20;
/// Lines longer than this are passed over.
const LINE_MAX_BYTES: u64 = 4096;

/// The uids that are more than a number to the reader of a `Received` line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Roles {
    owners: Owners,
    network: Option<u32>,
}

impl Roles {
    /// Reads them. In a rootless installation, where one uid is everything, nobody is special.
    pub fn of(home: &Path) -> std::io::Result<Self> {
        let owners = Owners::of(home)?;
        let nobody_special = Self { owners, network: None };
        if nobody_special.is_one_for_all() {
            return Ok(nobody_special);
        }
        Ok(Self { owners, network: uid_of(b"qmaild", Path::new("/etc/passwd")) })
    }

    /// True when one uid is everything: a rootless installation.
    pub fn is_one_for_all(&self) -> bool {
        self.owners.queue == self.owners.send
    }

    /// What the `Received` line says of a caller.
    pub fn invoked_by(&self, uid: u32) -> InvokedBy {
        if self.is_one_for_all() {
            InvokedBy::Uid(uid)
        } else if uid == self.owners.alias && uid != self.owners.queue {
            InvokedBy::Alias
        } else if Some(uid) == self.network {
            InvokedBy::Network
        } else if uid == self.owners.send {
            InvokedBy::Bounce
        } else {
            InvokedBy::Uid(uid)
        }
    }
}

fn uid_of(account: &[u8], passwd: &Path) -> Option<u32> {
    find(account, BufReader::new(File::open(passwd).ok()?.take(PASSWD_MAX_BYTES)))
}

/// The uid in the first line for `account` of a file in the form of passwd(5).
fn find(account: &[u8], mut passwd: impl BufRead) -> Option<u32> {
    let mut line = Vec::new();
    let mut at_start = true;
    loop {
        line.clear();
        if (&mut passwd).take(LINE_MAX_BYTES).read_until(b'\n', &mut line).ok()? == 0 {
            return None;
        }
        let whole = line.last() == Some(&b'\n');
        if at_start && let Some(uid) = uid_in(account, &line) {
            return Some(uid);
        }
        at_start = whole;
    }
}

fn uid_in(account: &[u8], line: &[u8]) -> Option<u32> {
    let mut fields = line.split(|&byte| byte == b':');
    let name = fields.next()?;
    let uid = fields.nth(1)?;
    (name == account).then(|| std::str::from_utf8(uid).ok()?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        let long = format!("long:{}qmaild:x:9:\n", "x".repeat(2 * 4096 - 5));
        for (passwd, want) in [
            ("root:x:0:0::/:\nqmaild:x:7791:2108::/var/qmail:/bin/false\n", Some(7791)),
            ("qmaild:x:5:5:::", Some(5)),
            ("qmaild2:x:5:5:::\nxqmaild:x:6:6:::\n", None),
            ("qmaild:x:-1:5:::\n", None),
            ("qmaild:x\n", None),
            (&long, None),
            ("", None),
        ] {
            assert_eq!(find(b"qmaild", passwd.as_bytes()), want, "{passwd:.60}");
        }
    }

    #[test]
    fn roles_are_told_by_uid_unless_there_is_only_one() {
        let roles = |queue, send, alias| Roles { owners: Owners { queue, send, alias }, network: Some(4) };
        let real = roles(1, 2, 3);
        assert_eq!(
            [1, 2, 3, 4, 0].map(|uid| real.invoked_by(uid)),
            [InvokedBy::Uid(1), InvokedBy::Bounce, InvokedBy::Alias, InvokedBy::Network, InvokedBy::Uid(0)]
        );
        assert_eq!(roles(7, 7, 7).invoked_by(7), InvokedBy::Uid(7));
    }
}
