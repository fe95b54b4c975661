//! What one rule says: `allow` or `deny`, then variables, `,NAME="value"`.
//!
//! A record of a database holds the same: `D` NUL for deny, `+NAME=value` NUL for each variable.

/// What is done with a client.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Rule {
    /// The connection is closed at once.
    pub denies: bool,
    /// Variables for the session, in order; a later one with the same name counts.
    pub variables: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What is wrong with a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RuleError {
    /// Neither word is there.
    #[error("after the address and a colon must stand allow or deny")]
    NoVerdict,
    /// Something else than a comma follows.
    #[error("after allow, deny or a variable must stand a comma or the end of the line")]
    NoComma,
    /// A variable without a name, `=`, or value.
    #[error("a variable must be written NAME=\"value\"")]
    NoVariable,
    /// The quote at the end is missing.
    #[error("the value of a variable must end with the byte that it begins with")]
    Unquoted,
    /// The numbers are none.
    #[error("a range must be written with two numbers up to 255, the smaller first")]
    Range,
    /// Not an IPv6 address, or a range with too many bits.
    #[error("this is no address")]
    Address,
}

impl Rule {
    /// The value of a variable.
    pub fn variable(&self, name: &[u8]) -> Option<&[u8]> {
        let found = self.variables.iter().rev().find(|(variable, _)| variable == name);
        found.map(|(_, value)| value.as_slice())
    }

    /// Reads what stands after the colon.
    pub fn parse(text: &[u8]) -> Result<Self, RuleError> {
        let (denies, mut rest) = match (text.strip_prefix(b"deny"), text.strip_prefix(b"allow")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return Err(RuleError::NoVerdict),
        };
        let mut variables = Vec::new();
        while !rest.is_empty() {
            let variable = rest.strip_prefix(b",").ok_or(RuleError::NoComma)?;
            let equals = variable.iter().position(|&byte| byte == b'=').ok_or(RuleError::NoVariable)?;
            let (name, value) = variable.split_at(equals);
            if name.is_empty() || name.contains(&0) {
                return Err(RuleError::NoVariable);
            }
            let value = value.get(1..).unwrap_or_default();
            let (quote, value) = value.split_first().ok_or(RuleError::NoVariable)?;
            let end = value.iter().position(|byte| byte == quote).ok_or(RuleError::Unquoted)?;
            let (value, after) = value.split_at(end);
            // A variable of a process ends at a NUL.
            let value = value.split(|&byte| byte == 0).next().unwrap_or_default();
            variables.push((name.to_vec(), value.to_vec()));
            rest = after.get(1..).unwrap_or_default();
        }
        Ok(Self { denies, variables })
    }

    /// Reads a record of a database. What it does not know means nothing, as with tcpserver.
    pub fn from_record(record: &[u8]) -> Self {
        let mut rule = Self::default();
        for part in record.split(|&byte| byte == 0) {
            match part.split_first() {
                Some((b'D', _)) => rule.denies = true,
                Some((b'+', variable)) => {
                    if let Some(at) = variable.iter().position(|&byte| byte == b'=') {
                        let (name, value) = variable.split_at(at);
                        rule.variables.push((name.to_vec(), value.get(1..).unwrap_or_default().to_vec()));
                    }
                }
                _ => {}
            }
        }
        rule
    }

    /// The record that tcprules(1) makes of it.
    #[cfg(test)]
    pub(crate) fn to_record(&self) -> Vec<u8> {
        let mut record = if self.denies { b"D\0".to_vec() } else { Vec::new() };
        for (name, value) in &self.variables {
            for part in [b"+", name.as_slice(), b"=", value, b"\0"] {
                record.extend_from_slice(part);
            }
        }
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rules_and_their_records() {
        let table: &[(&[u8], &[u8])] = &[
            (b"allow", b""),
            (b"deny", b"D\0"),
            (b"allow,RELAYCLIENT=\"\"", b"+RELAYCLIENT=\0"),
            (b"allow,A=\"x,y\",B=/\"/", b"+A=x,y\0+B=\"\0"),
            (b"deny,RBLSMTPD=\"-go away: now\"", b"D\0+RBLSMTPD=-go away: now\0"),
        ];
        for (text, record) in table {
            let rule = Rule::parse(text).unwrap();
            assert_eq!(rule.to_record(), *record, "{}", text.escape_ascii());
            assert_eq!(Rule::from_record(record), rule);
        }
    }

    #[test]
    fn lines_that_are_wrong() {
        let table: &[(&[u8], RuleError)] = &[
            (b"", RuleError::NoVerdict),
            (b"Allow", RuleError::NoVerdict),
            (b"allow RELAYCLIENT=\"\"", RuleError::NoComma),
            (b"allow,", RuleError::NoVariable),
            (b"allow,X", RuleError::NoVariable),
            (b"allow,X=", RuleError::NoVariable),
            (b"allow,=\"\"", RuleError::NoVariable),
            (b"allow,X=\"y", RuleError::Unquoted),
        ];
        for (text, error) in table {
            assert_eq!(Rule::parse(text), Err(*error), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn the_last_value_of_a_variable_counts() {
        let rule = Rule::parse(b"allow,A=\"1\",A=\"2\"").unwrap();
        assert_eq!((rule.variable(b"A"), rule.variable(b"B")), (Some(&b"2"[..]), None));
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer(bytes: Vec<u8>) {
            let _ = (Rule::parse(&bytes), Rule::from_record(&bytes));
        }

        #[test]
        fn a_rule_comes_back_from_its_record(text in "(allow|deny)(,[A-Z]{1,4}=\"[a-z0-9=,]{0,5}\"){0,3}") {
            let rule = Rule::parse(text.as_bytes()).unwrap();
            prop_assert_eq!(Rule::from_record(&rule.to_record()), rule);
        }
    }
}
