//! From an address to everything that is to be done for it, by a forwarding database and the lists it names.

use super::TEXT_MAX_BYTES;
use super::instruction::{Instruction, decode_all, owner_key, target_key};
use cdb::Cdb;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

/// So many commands are followed for one message.
const COMMANDS_MAX: usize = 1_000_000;

/// Everything that is to be done.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Expansion {
    /// Whom bounces go to, where the target has an owner.
    pub owner: Option<Vec<u8>>,
    /// Programs, in the order of the database.
    pub programs: Vec<Instruction>,
    /// Addresses to forward to.
    pub recipients: Vec<Vec<u8>>,
}

/// Why nothing can be done for now.
#[derive(Debug, thiserror::Error)]
pub enum ExpansionError {
    /// The database or a list.
    #[error("unable to read {}: {why}", .file.escape_ascii(), why = os::strerror::of(.source))]
    Read {
        /// Its name.
        file: Vec<u8>,
        /// Why.
        source: io::Error,
    },
    /// A list that its owner keeps to himself.
    #[error("{} is not world-readable", .0.escape_ascii())]
    Private(Vec<u8>),
    /// A list that is none, or is too long.
    #[error("{} is not a mailing list", .0.escape_ascii())]
    NoList(Vec<u8>),
    /// The database.
    #[error("the forwarding database is damaged")]
    Damaged,
    /// Too much.
    #[error("an address leads to more than {COMMANDS_MAX} instructions")]
    TooMany,
}

/// What `database` says about a recipient; `None`: nothing. An address in it that is a target itself is followed, unless
/// it has an owner of its own: then mail goes to the address, and comes back with that owner as its sender.
pub fn expand(database: &Cdb, recipient: &[u8]) -> Result<Option<Expansion>, ExpansionError> {
    let look_up = |key: &[u8]| database.find(key).map_err(|_| ExpansionError::Damaged);
    let recipient = recipient.to_ascii_lowercase();
    let mut found = None;
    for target in targets(&recipient) {
        if let Some(data) = look_up(&target_key(&target))? {
            found = Some((target, data));
            break;
        }
    }
    let Some((target, data)) = found else { return Ok(None) };
    let mut result = Expansion { owner: look_up(&owner_key(&target))?, ..Expansion::default() };
    let mut seen = HashSet::from([Instruction::Forward(target)]);
    let mut waiting = decode_all(&data).ok_or(ExpansionError::Damaged)?;
    waiting.reverse();
    while let Some(next) = waiting.pop() {
        if seen.len().saturating_add(waiting.len()) > COMMANDS_MAX {
            return Err(ExpansionError::TooMany);
        }
        if !seen.insert(next.clone()) {
            continue;
        }
        match next {
            Instruction::Forward(address) => {
                let target = address.to_ascii_lowercase();
                let inner = match look_up(&owner_key(&target))? {
                    Some(_) => None,
                    None => look_up(&target_key(&target))?,
                };
                match inner {
                    Some(data) => {
                        waiting.extend(decode_all(&data).ok_or(ExpansionError::Damaged)?.into_iter().rev())
                    }
                    None => result.recipients.push(address),
                }
            }
            Instruction::List(file) => waiting.extend(list(&file)?.into_iter().rev()),
            program => result.programs.push(program),
        }
    }
    Ok(Some(result))
}

/// `user@host`, `@host`, `user@`.
fn targets(recipient: &[u8]) -> Vec<Vec<u8>> {
    let (local, host) = address::split(recipient).unwrap_or((recipient, b""));
    vec![recipient.to_vec(), [b"@", host].concat(), [local, b"@"].concat()]
}

/// The addresses and lists of a list. It must be readable for everybody, so that nobody makes us read what is not his.
fn list(file: &[u8]) -> Result<Vec<Instruction>, ExpansionError> {
    const EVERYBODY_MAY_READ: u32 = 0o004;
    let unread = |source| ExpansionError::Read { file: file.to_vec(), source };
    let nonblocking = nix::fcntl::OFlag::O_NONBLOCK.bits();
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(nonblocking)
        .open(OsStr::from_bytes(file))
        .map_err(unread)?;
    let found = opened.metadata().map_err(unread)?;
    if found.mode() & EVERYBODY_MAY_READ == 0 {
        return Err(ExpansionError::Private(file.to_vec()));
    }
    if !found.is_file() || found.len() > TEXT_MAX_BYTES {
        return Err(ExpansionError::NoList(file.to_vec()));
    }
    let mut bytes = Vec::new();
    opened.take(TEXT_MAX_BYTES).read_to_end(&mut bytes).map_err(unread)?;
    let items = decode_all(&bytes).ok_or_else(|| ExpansionError::NoList(file.to_vec()))?;
    // Whoever may write a list may add addresses, and nothing that runs.
    let harmless = |item: &Instruction| matches!(item, Instruction::Forward(_) | Instruction::List(_));
    if items.iter().all(harmless) { Ok(items) } else { Err(ExpansionError::NoList(file.to_vec())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aliases::table;
    use std::os::unix::fs::PermissionsExt;

    fn expanded(text: &str, recipient: &str) -> Result<Option<Expansion>, ExpansionError> {
        let mut writer = cdb::Writer::new(io::Cursor::new(Vec::new())).unwrap();
        for (key, data) in table::read(text.as_bytes()).unwrap() {
            writer.add(&key, &data).unwrap();
        }
        expand(&Cdb::from_bytes(writer.finish().unwrap().into_inner()), recipient.as_bytes())
    }

    fn recipients(text: &str, recipient: &str) -> Option<Vec<String>> {
        let expansion = expanded(text, recipient).unwrap()?;
        Some(expansion.recipients.into_iter().map(|r| String::from_utf8(r).unwrap()).collect())
    }

    #[test]
    fn the_most_special_target_counts() {
        let table = "a@b: one@x; @b: two@x; a@: three@x;";
        for (recipient, expected) in
            [("A@B", Some("one@x")), ("c@b", Some("two@x")), ("a@c", Some("three@x")), ("c@d", None)]
        {
            assert_eq!(recipients(table, recipient), expected.map(|e| vec![e.to_owned()]), "{recipient}");
        }
    }

    #[test]
    fn addresses_are_followed_once_and_loops_end() {
        let table = "all@y: prog@y, test@y, all@y; prog@y: joe@y, bob@y; test@y: joe@y, fred@y, all@y;";
        assert_eq!(recipients(table, "all@y").unwrap(), ["joe@y", "bob@y", "fred@y"]);
        let table = "a@y: list@y, b@y; list@y: ?owner@y, c@y;";
        assert_eq!(recipients(table, "a@y").unwrap(), ["list@y", "b@y"], "it comes back with its own owner");
        assert_eq!(expanded(table, "list@y").unwrap().unwrap().owner.unwrap(), b"owner@y");
    }

    #[test]
    fn lists_are_read_if_everybody_may_and_nothing_in_them_runs() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        let (inner, outer) = (path("inner.bin"), path("outer.bin"));
        let write = |file: &str, text: String, mode| {
            std::fs::write(file, text).unwrap();
            std::fs::set_permissions(file, PermissionsExt::from_mode(mode)).unwrap();
        };
        let table = format!("l@y: {outer}, |prog;");
        assert!(matches!(expanded(&table, "l@y"), Err(ExpansionError::Read { .. })));
        write(&outer, format!("&a@b\0{inner}\0{outer}\0"), 0o644);
        write(&inner, "&c@d\0".into(), 0o640);
        assert!(matches!(expanded(&table, "l@y"), Err(ExpansionError::Private(_))));
        write(&inner, "&c@d\0".into(), 0o644);
        let expansion = expanded(&table, "l@y").unwrap().unwrap();
        assert_eq!(expansion.recipients, [b"a@b".to_vec(), b"c@d".to_vec()]);
        assert_eq!(expansion.programs, [Instruction::Program(b"prog".to_vec())]);
        for wrong in ["|prog\0", "&a@b", "a@b\0"] {
            write(&inner, wrong.into(), 0o644);
            assert!(matches!(expanded(&table, "l@y"), Err(ExpansionError::NoList(_))), "{wrong}");
        }
    }
}
