//! What is wrong in a control file, by its line in the catalogue: for `quail check`, before mail finds out.
//!
//! A reader may know more about its own lines than this; what is said here is what no reader can use.

use crate::Warning;
use crate::catalogue::{Entry, Form, Setting};
use crate::read::{first_line, list_lines};
use std::net::{IpAddr, SocketAddr};

/// How many findings about one file are told.
const FINDINGS_MAX: usize = 100;

/// What is wrong with a file that holds `bytes`; the first hundred findings.
pub fn findings(setting: &Setting, bytes: &[u8]) -> Vec<Warning> {
    let mut found: Vec<_> = match setting.form {
        Form::Line { entry, .. } => one_line(setting, bytes, entry),
        Form::LineOrMe { .. } => one_line(setting, bytes, Entry::Domain),
        Form::Choice { among } => {
            let line = first_line(bytes);
            let known = among.iter().any(|word| word.as_bytes() == line);
            finding(setting, 1, line, &among.join(" or "), "the default")
                .filter(|_| !known)
                .into_iter()
                .collect()
        }
        Form::Number { default, least, most, unit } => {
            let line = first_line(bytes);
            let accepted = format!("a number of {unit} from {least} to {most}");
            let used = format!("the default, {default}");
            let fits = std::str::from_utf8(line).ok().and_then(|line| line.parse::<u64>().ok());
            let fits = fits.is_some_and(|n| (least..=most).contains(&n)) && line.first() != Some(&b'+');
            let leads = line.first().is_some_and(u8::is_ascii_digit);
            let used = if leads { "the digits, if they fit" } else { &used };
            finding(setting, 1, line, &accepted, used).filter(|_| !fits).into_iter().collect()
        }
        Form::List { entry } | Form::ListOrMe { entry } => entries(bytes)
            .filter_map(|(number, line)| wrong_entry(setting, number, line, entry))
            .take(FINDINGS_MAX)
            .collect(),
        Form::Map { key } => entries(bytes)
            .filter_map(|(number, line)| match line.iter().position(|&b| b == b':') {
                None => finding(setting, number, line, "a key, a colon and a value", "nothing in its place"),
                Some(0) => None,
                Some(colon) => wrong_entry(setting, number, line.get(..colon)?, key),
            })
            .take(FINDINGS_MAX)
            .collect(),
        Form::Cdb { .. } => Vec::new(),
    };
    if matches!(
        setting.form,
        Form::Line { .. } | Form::LineOrMe { .. } | Form::Number { .. } | Form::Choice { .. }
    ) && let Some((number, line)) = later_line(bytes)
    {
        found.extend(finding(setting, number, line, "in the first line", "the first line only"));
    }
    found
}

fn one_line(setting: &Setting, bytes: &[u8], entry: Entry) -> Vec<Warning> {
    wrong_entry(setting, 1, first_line(bytes), entry).into_iter().collect()
}

fn later_line(bytes: &[u8]) -> Option<(usize, &[u8])> {
    (1..).zip(bytes.split(|&b| b == b'\n')).skip(1).find(|(_, line)| !line.trim_ascii().is_empty())
}

fn entries(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    (1..)
        .zip(bytes.split(|&b| b == b'\n'))
        .flat_map(|(n, line)| list_lines(line).map(move |entry| (n, entry)))
}

fn wrong_entry(setting: &Setting, line: usize, value: &[u8], entry: Entry) -> Option<Warning> {
    let (fits, accepted) = match entry {
        Entry::Text => (true, ""),
        Entry::LocalPart => (!value.contains(&b'@'), "the part of an address before the @"),
        Entry::Domain => (is_domain(value), "a domain name"),
        Entry::DomainOrSuffix => (is_domain_or_suffix(value), "a domain name, or .suffix"),
        Entry::AddressOrDomain => {
            (is_address(value) || is_domain_or_suffix(value), "user@domain, a domain name, or .suffix")
        }
        Entry::Sender => (is_address(value), "user@domain or @domain"),
        Entry::Server => (is_server(value), "an IP address, or one with a port"),
        Entry::Network => (is_network(value), "an address, or address/bits"),
        Entry::Tap => (crate::taps::is_line(value), crate::taps::ACCEPTED),
        Entry::SocketAddress => (parsed::<SocketAddr>(value).is_some(), "address:port or [IPv6]:port"),
    };
    let used = match entry {
        Entry::LocalPart | Entry::Domain
            if matches!(setting.form, Form::Line { .. } | Form::LineOrMe { .. }) =>
        {
            "it as it stands"
        }
        _ => "nothing that fits it",
    };
    finding(setting, line, value, accepted, used).filter(|_| !fits)
}

fn finding(setting: &Setting, line: usize, value: &[u8], accepted: &str, used: &str) -> Option<Warning> {
    let (accepted, used) = (accepted.to_owned(), used.to_owned());
    Some(Warning { file: setting.name.to_owned(), line, value: value.to_vec(), accepted, used })
}

fn parsed<T: std::str::FromStr>(value: &[u8]) -> Option<T> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// Letters, digits, hyphens and underscores between dots; bytes above 127 are somebody's letters. Or `[address]`.
fn is_domain(value: &[u8]) -> bool {
    if let Some(inner) = value.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")) {
        return parsed::<IpAddr>(inner).is_some();
    }
    let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_') || *b >= 0x80;
    value.split(|&b| b == b'.').all(|label| !label.is_empty() && label.iter().all(plain))
}

fn is_domain_or_suffix(value: &[u8]) -> bool {
    is_domain(value.strip_prefix(b".").unwrap_or(value))
}

/// The local part may be empty and may be anything.
fn is_address(value: &[u8]) -> bool {
    value.iter().rposition(|&b| b == b'@').and_then(|at| value.get(at..)?.get(1..)).is_some_and(is_domain)
}

/// Text behind a blank does not count.
fn is_server(value: &[u8]) -> bool {
    let first = value.split(|&b| b == b' ' || b == b'\t').next().unwrap_or_default();
    parsed::<IpAddr>(first).is_some() || parsed::<SocketAddr>(first).is_some()
}

fn is_network(value: &[u8]) -> bool {
    let Some(slash) = value.iter().position(|&b| b == b'/') else { return parsed::<IpAddr>(value).is_some() };
    let (address, bits) = value.split_at(slash);
    match (parsed::<IpAddr>(address), bits.get(1..).and_then(parsed::<u8>)) {
        (Some(IpAddr::V4(_)), Some(bits)) => bits <= 32,
        (Some(IpAddr::V6(_)), Some(bits)) => bits <= 128,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{all, setting};
    use proptest::prelude::*;

    #[test]
    fn a_good_file_has_no_findings_and_a_wrong_line_is_named() {
        for (name, content, wrong) in [
            ("me", "host.example\n", &[][..]),
            ("me", "host example\n", &[1]),
            ("me", "", &[1]),
            ("me", "a.example\nb.example\n", &[2]),
            ("rcpthosts", "# ours\na.example\n.b.example\n*.c.example\n d.example\n", &[4, 5]),
            ("badmailfrom", "a@b.example\n@c.example\nd.example\n", &[3]),
            ("virtualdomains", "a@b.example:c\n:d\n.e.example:f\ng.example\n", &[4]),
            ("smtproutes", ":relay.example\na.example:[192.0.2.1]:26\nb@c.example:d\n", &[3]),
            ("qmqpservers", "192.0.2.1\n2001:db8::1\nhost.example\n192.0.2.1:6280 x\n", &[3]),
            ("relayclients", "192.0.2.0/24\n2001:db8::/129\n", &[2]),
            ("smtplisten", "0.0.0.0:25\n[::]:25\n25\n", &[3]),
            ("timeoutconnect", "60\n", &[]),
            ("timeoutconnect", "0\n", &[1]),
            ("timeoutconnect", "1 minute\n", &[1]),
            ("timeoutconnect", "+5\n", &[1]),
            ("smtpextensions", "full\n", &[]),
            ("smtpextensions", "all\n", &[1]),
            ("doublebounceto", "root@host\n", &[1]),
            ("taps", "F:^a@:b@c\nT:a(:b@c\nold:b@c\nA:b@c\n", &[2, 4]),
        ] {
            let found = findings(setting(name).unwrap(), content.as_bytes());
            assert_eq!(
                found.iter().map(|w| w.line).collect::<Vec<_>>(),
                wrong,
                "{name}: {content:?} {found:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_file_can_be_checked(bytes: Vec<u8>) {
            for setting in all() {
                prop_assert!(findings(setting, &bytes).len() <= FINDINGS_MAX + 1);
            }
        }
    }
}
