//! Whose mail we take: control/rcpthosts and control/morercpthosts.cdb (contract 3.3).

use cdb::{Cdb, ReadError};
use std::collections::HashSet;

/// Which recipients are accepted from clients that may not relay.
#[derive(Debug)]
pub enum RecipientHosts {
    /// There is no control/rcpthosts and the classic rule holds: everybody may send to everybody.
    All,
    /// These domains, and with a leading dot their sub-domains.
    Listed {
        /// Lower-case lines of rcpthosts.
        hosts: HashSet<Vec<u8>>,
        /// control/morercpthosts.cdb, if it exists.
        more: Option<Cdb>,
    },
}

impl RecipientHosts {
    /// Whether mail for `domain` is taken. `None`: the recipient has no `@`, which is ours to complete.
    pub fn allow(&self, domain: Option<&[u8]>) -> Result<bool, ReadError> {
        let (Self::Listed { hosts, more }, Some(domain)) = (self, domain) else {
            return Ok(true);
        };
        let domain = domain.to_ascii_lowercase();
        if suffixes(&domain).any(|suffix| hosts.contains(suffix)) {
            return Ok(true);
        }
        for suffix in more.iter().flat_map(|_| suffixes(&domain)) {
            if let Some(more) = more
                && more.find(suffix)?.is_some()
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The whole domain, then each part of it that begins with a dot, from long to short.
fn suffixes(domain: &[u8]) -> impl Iterator<Item = &[u8]> {
    let dots = domain.iter().enumerate().filter(|&(at, &byte)| at == 0 || byte == b'.');
    dots.filter_map(|(at, _)| domain.get(at..))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_and_suffixes() {
        let list = |lines: &[&str]| RecipientHosts::Listed {
            hosts: lines.iter().map(|line| line.as_bytes().to_vec()).collect(),
            more: None,
        };
        type Case<'a> = (&'a [&'a str], Option<&'a [u8]>, bool);
        let table: &[Case<'_>] = &[
            (&["rcpt.example"], Some(b"RCPT.example"), true),
            (&["rcpt.example"], Some(b"a.rcpt.example"), false),
            (&[".sub.example"], Some(b"a.b.sub.example"), true),
            (&[".sub.example"], Some(b"sub.example"), false),
            (&[".sub.example"], Some(b"xsub.example"), false),
            (&["."], Some(b"a.example"), false),
            (&[], Some(b""), false),
            (&[], None, true),
        ];
        for (lines, domain, allowed) in table {
            assert_eq!(list(lines).allow(*domain).unwrap(), *allowed, "{lines:?} {domain:?}");
        }
        assert!(RecipientHosts::All.allow(Some(b"any.example")).unwrap());
    }

    #[test]
    fn more_hosts_come_from_the_database() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("morercpthosts.cdb");
        let mut writer = cdb::Writer::new(std::fs::File::create(&path).unwrap()).unwrap();
        writer.add(b"more.example", b"").unwrap();
        writer.add(b".sub.example", b"").unwrap();
        writer.finish().unwrap();
        let list = RecipientHosts::Listed { hosts: HashSet::new(), more: Some(Cdb::open(&path).unwrap()) };
        assert!(list.allow(Some(b"More.Example")).unwrap());
        assert!(list.allow(Some(b"x.sub.example")).unwrap());
        assert!(!list.allow(Some(b"sub.example")).unwrap());
    }
}
