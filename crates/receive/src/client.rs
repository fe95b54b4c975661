//! Who is at the other end, as far as we were told (contract 6.5, tcp-environ(5)).

use crate::blocked::Blocked;
use crate::overrides::Overrides;

/// What is known about a client before it says anything.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Client {
    /// TCPREMOTEIP.
    pub remote_ip: Vec<u8>,
    /// TCPREMOTEHOST.
    pub remote_host: Vec<u8>,
    /// TCPREMOTEINFO.
    pub remote_info: Option<Vec<u8>>,
    /// TCPLOCALHOST, else TCPLOCALIP.
    pub local: Vec<u8>,
    /// RELAYCLIENT: the client may send to anybody, and this is appended to each recipient.
    pub relay: Option<Vec<u8>>,
    /// DATABYTES: in place of control/databytes.
    pub databytes: Option<u64>,
    /// RBLSMTPD, or what a list of addresses says.
    pub blocked: Option<Blocked>,
    /// What else the environment says about checks.
    pub overrides: Overrides,
}

const UNKNOWN: &[u8] = b"unknown";

impl Client {
    /// From the environment that tcpserver or tcp-env set up.
    pub fn from_environment(variable: impl Fn(&str) -> Option<Vec<u8>>) -> Self {
        let or_unknown = |name: &str| variable(name).unwrap_or_else(|| UNKNOWN.to_vec());
        Self {
            remote_ip: or_unknown("TCPREMOTEIP"),
            remote_host: or_unknown("TCPREMOTEHOST"),
            remote_info: variable("TCPREMOTEINFO"),
            local: variable("TCPLOCALHOST").unwrap_or_else(|| or_unknown("TCPLOCALIP")),
            relay: variable("RELAYCLIENT"),
            databytes: variable("DATABYTES").map(|value| leading_number(&value)),
            blocked: variable("RBLSMTPD").map(|value| Blocked::from_variable(&value)),
            overrides: Overrides::from_environment(&variable),
        }
    }
}

/// The number at the start of a value, 0 if there is none.
pub(crate) fn leading_number(value: &[u8]) -> u64 {
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |total: u64, digit| {
        total.saturating_mul(10).saturating_add(u64::from(digit.wrapping_sub(b'0')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_environment_is_unknown() {
        let client = Client::from_environment(|_| None);
        assert_eq!((&client.remote_ip[..], &client.local[..]), (UNKNOWN, UNKNOWN));
        assert_eq!((client.remote_info, client.relay, client.databytes), (None, None, None));
    }

    #[test]
    fn databytes_is_the_number_at_the_start() {
        for (value, number) in [("5", 5), ("", 0), ("x5", 0), ("12x", 12), ("99999999999999999999", u64::MAX)]
        {
            let client = Client::from_environment(|name| (name == "DATABYTES").then(|| value.into()));
            assert_eq!(client.databytes, Some(number), "{value}");
        }
    }
}
