//! What is said about a value that is not as it should be. The program goes on with the safe default.

use std::fmt;

/// A wrong value in a control file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Warning {
    /// Name below `control/`.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// The value as it stands there, cut to a readable length.
    pub value: Vec<u8>,
    /// What would be accepted.
    pub accepted: String,
    /// What is used instead.
    pub used: String,
}

/// Longer values are cut in a message.
const VALUE_SHOWN_BYTES: usize = 60;

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.value.get(..VALUE_SHOWN_BYTES).unwrap_or(&self.value);
        write!(
            f,
            "control/{} line {}: \"{}\" is not {}; using {}",
            self.file,
            self.line,
            shown.escape_ascii(),
            self.accepted,
            self.used
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_says_where_what_and_what_would_be_right() {
        let warning = Warning {
            file: "timeoutremote".into(),
            line: 1,
            value: b"soon\x07".to_vec(),
            accepted: "a number of seconds from 1 to 86400".into(),
            used: "the default, 1200".into(),
        };
        assert_eq!(
            warning.to_string(),
            "control/timeoutremote line 1: \"soon\\x07\" is not a number of seconds from 1 to 86400; using the \
             default, 1200"
        );
    }
}
