//! A cdb that tcprules(1) made, as existing installations have it: tcp.smtp.cdb.

use crate::key::{Key, Question};
use crate::rule::Rule;
use cdb::{Cdb, ReadError};
use std::io;
use std::path::Path;

/// Up to this size a database is searched for rules that name hosts; a larger one is taken to have some.
const SEARCHED_BYTES: u64 = 16 << 20;

/// Where the records begin, behind the table of tables.
const RECORDS_AT: usize = 2048;

/// The rules of a database.
#[derive(Debug)]
pub struct DatabaseRules {
    cdb: Cdb,
    names: bool,
}

impl DatabaseRules {
    /// Opens it. It stays open, so that one renamed into its place does no harm.
    pub fn open(path: &Path) -> io::Result<Self> {
        let names = match std::fs::metadata(path)?.len() {
            0..=SEARCHED_BYTES => names_hosts(&std::fs::read(path)?),
            _ => true,
        };
        Ok(Self { cdb: Cdb::open(path)?, names })
    }

    /// The rule for a client. Ranges are not in a database of the classic form.
    pub fn find(&self, question: Question<'_>) -> Result<Option<Rule>, ReadError> {
        for key in question.keys() {
            if let Key::Text(text) = key
                && let Some(record) = self.cdb.find(&text)?
            {
                return Ok(Some(Rule::from_record(&record)));
            }
        }
        Ok(None)
    }

    /// True if a rule names a host.
    pub fn ask_for_names(&self) -> bool {
        self.names
    }
}

/// True if the key of a record has a `=`.
fn names_hosts(file: &[u8]) -> bool {
    let number = |at: usize| -> Option<usize> {
        let bytes = file.get(at..)?.first_chunk::<4>()?;
        usize::try_from(u32::from_le_bytes(*bytes)).ok()
    };
    // The tables follow the records, the first table first.
    let end = (0..256usize).filter_map(|table| number(table.saturating_mul(8))).min().unwrap_or(0);
    let mut at = RECORDS_AT;
    while at < end {
        let (Some(key), Some(data)) = (number(at), number(at.saturating_add(4))) else { return false };
        let start = at.saturating_add(8);
        let after = start.saturating_add(key);
        if file.get(start..after).is_some_and(|key| key.contains(&b'=')) {
            return true;
        }
        at = after.saturating_add(data);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn database(records: &[(&str, &str)]) -> DatabaseRules {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rules.cdb");
        let mut writer = cdb::Writer::new(std::fs::File::create(&path).unwrap()).unwrap();
        for (key, rule) in records {
            let record = Rule::parse(rule.as_bytes()).unwrap().to_record();
            writer.add(key.as_bytes(), &record).unwrap();
        }
        writer.finish().unwrap();
        DatabaseRules::open(&path).unwrap()
    }

    #[test]
    fn rules_come_from_a_database() {
        let rules =
            database(&[("127.", "allow,RELAYCLIENT=\"\""), ("192.0.2.7", "deny"), ("", "allow,X=\"y\"")]);
        let find = |address: &str| {
            let question = Question { address: address.parse().unwrap(), host: None, info: None };
            rules.find(question).unwrap().unwrap()
        };
        assert_eq!(find("127.0.0.1").variable(b"RELAYCLIENT"), Some(&b""[..]));
        assert!(find("192.0.2.7").denies);
        assert_eq!(find("2001:db8::1").variable(b"X"), Some(&b"y"[..]));
        assert!(!rules.ask_for_names());
        assert!(database(&[("=.a.example", "deny")]).ask_for_names());
    }

    proptest! {
        #[test]
        fn any_file_is_an_answer(mut file in proptest::collection::vec(any::<u8>(), 0..4096)) {
            let _ = names_hosts(&file);
            file.splice(0..0, vec![0xffu8; 2048]);
            let _ = names_hosts(&file);
        }
    }
}
