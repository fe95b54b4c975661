//! A file of rules as a person writes it (tcprules(1)): `ADDRESS:allow` or `ADDRESS:deny`, variables behind it.
//!
//! Lines that begin with `#` and lines without a colon are passed over; trailing blanks do not count. Of two rules for
//! the same address the first counts, as in a database that tcprules made.

use crate::key::{Key, Question};
use crate::network::Network;
use crate::rule::{Rule, RuleError};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::net::Ipv6Addr;
use std::sync::Arc;

/// A wrong line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WrongLine {
    /// Its number, from 1.
    pub number: usize,
    /// What is wrong.
    pub error: RuleError,
}

impl fmt::Display for WrongLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.number, self.error)
    }
}

/// The rules of a file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TextRules {
    rules: HashMap<Key, Arc<Rule>>,
}

impl TextRules {
    /// Reads a whole file, or says what is wrong with it.
    pub fn parse(file: &[u8]) -> Result<Self, Vec<WrongLine>> {
        let (mut rules, mut wrong) = (Self::default(), Vec::new());
        for (number, line) in (1..).zip(file.split(|&byte| byte == b'\n')) {
            if let Err(error) = rules.add(line.trim_ascii_end()) {
                wrong.push(WrongLine { number, error });
            }
        }
        if wrong.is_empty() { Ok(rules) } else { Err(wrong) }
    }

    /// The rule for a client.
    pub fn find(&self, question: Question<'_>) -> Option<&Rule> {
        question.keys().find_map(|key| self.rules.get(&key)).map(Arc::as_ref)
    }

    /// True if a rule names a host.
    pub fn ask_for_names(&self) -> bool {
        self.rules.keys().any(|key| matches!(key, Key::Text(text) if text.contains(&b'=')))
    }

    fn add(&mut self, line: &[u8]) -> Result<(), RuleError> {
        if line.starts_with(b"#") {
            return Ok(());
        }
        // An IPv6 address has colons of its own, and so may a value.
        let head = line.split(|&byte| byte == b',').next().unwrap_or_default();
        let Some(colon) = head.iter().rposition(|&byte| byte == b':') else { return Ok(()) };
        let (address, rest) = line.split_at(colon);
        let rule = Arc::new(Rule::parse(rest.get(1..).unwrap_or_default())?);
        for key in keys(address)? {
            if let Entry::Vacant(place) = self.rules.entry(key) {
                place.insert(rule.clone());
            }
        }
        Ok(())
    }
}

/// What an address in a rule is found under.
fn keys(address: &[u8]) -> Result<Vec<Key>, RuleError> {
    let address = address.to_ascii_lowercase();
    let (has, text) = (|byte: u8| address.contains(&byte), std::str::from_utf8(&address));
    if has(b'=') {
        return Ok(vec![Key::Text(address)]);
    }
    if has(b'@') {
        return Ok(vec![Key::Text(with_short_form(&address))]);
    }
    if has(b'/') {
        let network = text.ok().and_then(Network::parse).ok_or(RuleError::Address)?;
        return Ok(vec![Key::Range(network)]);
    }
    if has(b':') {
        // A beginning of addresses ends with one colon.
        let is_part = address.ends_with(b":") && !address.ends_with(b"::");
        let six = text.ok().and_then(|text| text.parse::<Ipv6Addr>().ok());
        return match six {
            Some(six) => Ok(vec![Key::Text(short_form(six))]),
            None if is_part => Ok(vec![Key::Text(address)]),
            None => Err(RuleError::Address),
        };
    }
    if has(b'-') {
        return range(&address);
    }
    Ok(vec![Key::Text(address)])
}

fn short_form(address: Ipv6Addr) -> Vec<u8> {
    address.to_canonical().to_string().into_bytes()
}

/// `info@address`.
fn with_short_form(address: &[u8]) -> Vec<u8> {
    let at = address.iter().rposition(|&byte| byte == b'@').map_or(0, |at| at.saturating_add(1));
    let (info, rest) = address.split_at(at);
    match std::str::from_utf8(rest).ok().and_then(|rest| rest.parse::<Ipv6Addr>().ok()) {
        Some(six) => [info, &short_form(six)].concat(),
        None => address.to_vec(),
    }
}

/// `18.8-15.`, or `1.2.3.37-53`: one key for each number.
fn range(address: &[u8]) -> Result<Vec<Key>, RuleError> {
    let dash = address.iter().position(|&byte| byte == b'-').ok_or(RuleError::Range)?;
    let (before, after) = (address.get(..dash).unwrap_or_default(), address.get(dash.saturating_add(1)..));
    let after = after.unwrap_or_default();
    let left = before.iter().rposition(|&byte| byte == b'.').map_or(0, |at| at.saturating_add(1));
    let right = after.iter().position(|&byte| byte == b'.').unwrap_or(after.len());
    let number = |digits: Option<&[u8]>| -> Option<u32> {
        let digits = std::str::from_utf8(digits?).ok()?;
        digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let (Some(bottom), Some(top)) = (number(before.get(left..)), number(after.get(..right))) else {
        return Err(RuleError::Range);
    };
    let (start, end) = (before.get(..left).unwrap_or_default(), after.get(right..).unwrap_or_default());
    if bottom > top || bottom > 255 {
        return Err(RuleError::Range);
    }
    let key = |number: u32| Key::Text([start, number.to_string().as_bytes(), end].concat());
    Ok((bottom..=top.min(255)).map(key).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FILE: &str = "# comment
127.:allow,RELAYCLIENT=\"\"
192.0.2.7:deny
192.0.2.:allow,W=\"prefix\"
18.8-15.:allow,W=\"range\"
1.2.3.37-38:allow,W=\"end\"
10.0.0.0/8:allow,W=\"net\"
10.5.0.0/16:allow,W=\"smaller\"
2001:db8::/32:allow,W=\"six net\"
2001:DB8::0001:allow,W=\"six\"
=mx.a.example:allow,W=\"host\"
=.a.example:allow,W=\"domain\"
joe@192.0.2.7:allow,W=\"joe\"
=:allow,W=\"any name\"
no colon here

192.0.2.7:allow,W=\"too late\"
:deny
";

    fn ask(rules: &TextRules, address: &str, host: Option<&str>, info: Option<&str>) -> String {
        let question = Question {
            address: address.parse().unwrap(),
            host: host.map(str::as_bytes),
            info: info.map(str::as_bytes),
        };
        let rule = rules.find(question).unwrap();
        let word = rule.variable(b"W").map(|word| String::from_utf8(word.to_vec()).unwrap());
        if rule.denies { "denied".to_owned() } else { word.unwrap_or_default() }
    }

    #[test]
    fn the_most_exact_rule_counts() {
        let rules = TextRules::parse(FILE.as_bytes()).unwrap();
        let table = [
            ("192.0.2.7", None, None, "denied"),
            ("192.0.2.7", None, Some("joe"), "joe"),
            ("192.0.2.8", None, None, "prefix"),
            ("192.0.3.8", None, None, "denied"),
            ("18.8.1.1", None, None, "range"),
            ("18.15.1.1", None, None, "range"),
            ("18.16.1.1", None, None, "denied"),
            ("1.2.3.38", None, None, "end"),
            ("1.2.3.3", None, None, "denied"),
            ("10.9.9.9", None, None, "net"),
            ("10.5.9.9", None, None, "smaller"),
            ("2001:db8::1", None, None, "six"),
            ("2001:db8::2", None, None, "six net"),
            ("2001:db9::2", None, None, "denied"),
            ("203.0.113.1", Some("mx.a.example"), None, "host"),
            ("203.0.113.1", Some("x.a.example"), None, "domain"),
            ("203.0.113.1", Some("x.b.example"), None, "any name"),
            ("127.0.0.1", None, None, ""),
        ];
        for (address, host, info, wanted) in table {
            assert_eq!(ask(&rules, address, host, info), wanted, "{address} {host:?} {info:?}");
        }
        assert!(rules.ask_for_names());
        assert!(!TextRules::parse(b":allow\n").unwrap().ask_for_names());
    }

    #[test]
    fn every_wrong_line_is_named() {
        let file = b"1.2.3.4:allow\n1.2.3.4:maybe\n1.2.3.9-3:deny\n10.0.0.0/40:deny\nx::y:deny\n1-x.:deny\n";
        let wrong = TextRules::parse(file).unwrap_err();
        let lines: Vec<_> = wrong.iter().map(|line| (line.number, line.error)).collect();
        use RuleError::{Address, NoVerdict, Range};
        assert_eq!(lines, [(2, NoVerdict), (3, Range), (4, Address), (5, Address), (6, Range)]);
        assert!(wrong.first().unwrap().to_string().starts_with("line 2: "));
    }

    proptest! {
        #[test]
        fn any_file_is_an_answer(file: Vec<u8>) {
            let _ = TextRules::parse(&file);
        }

        #[test]
        fn any_line_like_a_rule_is_an_answer(line in "[0-9a-f.:/=@-]{0,20}:(allow|deny)") {
            let _ = TextRules::parse(line.as_bytes());
        }
    }
}
