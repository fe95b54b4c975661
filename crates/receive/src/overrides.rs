//! What the environment of a session says about checks: set by tcpserver's rules, for some clients and not for others
//! (contract 16.1, 16.4). Each goes before its control file.

use crate::client::leading_number;
use crate::mailboxes::When;

/// The variables, read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Overrides {
    /// DISABLE_BADMAILFROM: badmailfrom does not count.
    pub any_sender: bool,
    /// NOBADHELO: badhelo does not count.
    pub any_helo: bool,
    /// DISABLE_MAXRCPT: maxrcpt does not count.
    pub many_recipients: bool,
    /// LOGREGEX: the pattern that refused is logged.
    pub logs_patterns: bool,
    /// CHKUSER_RCPTLIMIT: in place of maxrcpt.
    pub recipients: Option<u32>,
    /// BRTLIMIT, VALIDRCPTTO_LIMIT or CHKUSER_WRONGRCPTLIMIT: in place of brtlimit.
    pub bad_recipients: Option<u32>,
    /// TARPITCOUNT.
    pub tarpit_count: Option<u32>,
    /// TARPITDELAY, in seconds.
    pub tarpit_seconds: Option<u32>,
    /// SMTPD_GREETDELAY or GREETDELAY, in seconds.
    pub greet_seconds: Option<u32>,
    /// DROP_PRE_GREET.
    pub drops_early_talkers: Option<bool>,
    /// REJECTNULLSENDERS.
    pub rejects_null_senders: Option<bool>,
    /// CHKUSER_START, and the variable that CHKUSER_DISABLE_VARIABLE names.
    pub asks_for_mailboxes: Option<When>,
}

impl Overrides {
    /// Reads them.
    pub fn from_environment(variable: &impl Fn(&str) -> Option<Vec<u8>>) -> Self {
        let number = |name: &str| variable(name).map(|value| narrow(leading_number(&value)));
        let is_set = |name: &str| variable(name).is_some();
        Self {
            any_sender: is_set("DISABLE_BADMAILFROM"),
            any_helo: is_set("NOBADHELO"),
            many_recipients: is_set("DISABLE_MAXRCPT"),
            logs_patterns: is_set("LOGREGEX"),
            recipients: number("CHKUSER_RCPTLIMIT").filter(|&limit| limit > 0),
            bad_recipients: number("BRTLIMIT")
                .or_else(|| number("VALIDRCPTTO_LIMIT"))
                .or_else(|| number("CHKUSER_WRONGRCPTLIMIT")),
            tarpit_count: number("TARPITCOUNT"),
            tarpit_seconds: number("TARPITDELAY"),
            greet_seconds: number("SMTPD_GREETDELAY").or_else(|| number("GREETDELAY")),
            drops_early_talkers: number("DROP_PRE_GREET").map(|number| number > 0),
            rejects_null_senders: number("REJECTNULLSENDERS").map(|number| number > 0),
            asks_for_mailboxes: asks_for_mailboxes(variable),
        }
    }
}

fn asks_for_mailboxes(variable: &impl Fn(&str) -> Option<Vec<u8>>) -> Option<When> {
    let disabling = variable("CHKUSER_DISABLE_VARIABLE").and_then(|name| String::from_utf8(name).ok());
    if disabling.is_some_and(|name| variable(&name).is_some()) {
        return Some(When::Never);
    }
    match variable("CHKUSER_START")?.to_ascii_uppercase().as_slice() {
        b"ALWAYS" | b"DOMAIN" => Some(When::ForStrangers),
        b"NONE" => Some(When::Never),
        _ => None,
    }
}

fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Overrides {
        Overrides::from_environment(&|name: &str| {
            variables.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_bytes().to_vec())
        })
    }

    #[test]
    fn names_of_several_families_mean_the_same() {
        assert_eq!(of(&[]), Overrides::default());
        assert_eq!(of(&[("GREETDELAY", "15")]).greet_seconds, Some(15));
        assert_eq!(of(&[("GREETDELAY", "15"), ("SMTPD_GREETDELAY", "0")]).greet_seconds, Some(0));
        for name in ["BRTLIMIT", "VALIDRCPTTO_LIMIT", "CHKUSER_WRONGRCPTLIMIT"] {
            assert_eq!(of(&[(name, "3")]).bad_recipients, Some(3));
        }
    }

    #[test]
    fn chkuser_starts_our_check_unless_its_variable_is_set() {
        let start = ("CHKUSER_START", "ALWAYS");
        assert_eq!(of(&[start]).asks_for_mailboxes, Some(When::ForStrangers));
        assert_eq!(of(&[("CHKUSER_START", "NONE")]).asks_for_mailboxes, Some(When::Never));
        let disable = ("CHKUSER_DISABLE_VARIABLE", "TRUSTED");
        assert_eq!(of(&[start, disable]).asks_for_mailboxes, Some(When::ForStrangers));
        assert_eq!(of(&[start, disable, ("TRUSTED", "")]).asks_for_mailboxes, Some(When::Never));
    }
}
