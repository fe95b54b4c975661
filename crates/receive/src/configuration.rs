//! Reads the control files of the SMTP server into a [`Policy`] (contract 3.2, 6.5).
//!
//! A file that cannot be read is an error: nothing is accepted under a policy nobody wrote. A wrong value is
//! reported and its safe default used.

use crate::block_lists::BlockLists;
use crate::checks::Checks;
use crate::limits::Limits;
use crate::mailboxes::{Mailboxes, When};
use crate::patterns::Patterns;
use crate::policy::{Extensions, Policy};
use crate::rcpthosts::RecipientHosts;
use crate::valid_recipients::{ListError, ValidRecipients};
use cdb::Cdb;
use control::{Control, ControlError, Warning, catalogue};
use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::Duration;
use tcp_rules::Network;

/// Which of the two forms of the server asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// One session on descriptors 0 and 1. Whoever started us decided who may connect; without rcpthosts every
    /// recipient is accepted, as it always was.
    Classic,
    /// The listener. Without rcpthosts only local domains are accepted.
    Listener,
}

/// Everything read.
#[derive(Debug)]
pub struct Configuration {
    /// What sessions need.
    pub policy: Policy,
    /// control/concurrencyincoming.
    pub sessions: usize,
    /// control/smtpsessionsperaddress.
    pub sessions_per_address: usize,
    /// control/relayclients.
    pub relay_clients: Vec<Network>,
    /// control/dnsbllist and control/dnsblfailclosed.
    pub block_lists: BlockLists,
}

/// Why no session can begin.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// A control file.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// control/morercpthosts.cdb.
    #[error("unable to open control/morercpthosts.cdb: {}", os::strerror::of(.0))]
    Database(#[source] io::Error),
    /// control/validrcptto and its relatives.
    #[error(transparent)]
    ValidRecipients(#[from] ListError),
    /// The interfaces.
    #[error("unable to figure out my IP addresses: {}", os::strerror::of(.0))]
    OwnAddresses(#[source] io::Error),
}

impl Configuration {
    /// Reads the installation at `home`; `warn` hears of wrong values.
    pub fn load(home: &Path, form: Form, warn: &mut dyn FnMut(Warning)) -> Result<Self, ConfigurationError> {
        let control = Control::at(home);
        let mut number = |name: &str| match catalogue::setting(name) {
            Some(setting) => control.number(setting, warn),
            None => Ok(0),
        };
        let limits = Limits {
            errors: narrow(number("smtpmaxerrors")?),
            recipients: narrow(number("maxrcpt")?),
            session: Duration::from_secs(number("smtpsessionseconds")?),
        };
        let timeout = Duration::from_secs(number("timeoutsmtpd")?.max(1));
        let databytes = number("databytes")?;
        let sessions = wide(number("concurrencyincoming")?);
        let sessions_per_address = wide(number("smtpsessionsperaddress")?);
        let fails_closed = number("dnsblfailclosed")? > 0;
        let block_lists = BlockLists::parse(&control.list("dnsbllist")?.unwrap_or_default(), fails_closed);
        let policy = Policy {
            greeting: control.line_or_me_required("smtpgreeting")?,
            local_ip_host: control.line_or_me("localiphost")?,
            own_addresses: own_addresses().map_err(ConfigurationError::OwnAddresses)?,
            timeout,
            recipient_hosts: recipient_hosts(&control, form)?,
            bad_senders: match are_patterns(&control, warn)? {
                true => HashSet::new(),
                false => lower_case(control.list("badmailfrom")?.unwrap_or_default()),
            },
            databytes,
            extensions: extensions(&control, form, warn)?,
            notes_refusals: form == Form::Listener,
            checks: checks(home, &control, form, warn)?,
            limits,
        };
        let relay_clients = relay_clients(&control, warn)?;
        Ok(Self { policy, sessions, sessions_per_address, relay_clients, block_lists })
    }
}

/// What the well-known patches check.
fn checks(
    home: &Path,
    control: &Control,
    form: Form,
    warn: &mut dyn FnMut(Warning),
) -> Result<Checks, ConfigurationError> {
    let mut number = |name: &str| match catalogue::setting(name) {
        Some(setting) => control.number(setting, warn).map(narrow),
        None => Ok(0),
    };
    let rejects_relay_tests = number("rejectrelaytest")? > 0;
    let rejects_null_senders = number("rejectnullsenders")? > 0;
    let bad_recipients_max = number("brtlimit")?;
    let (tarpit_count, tarpit_seconds) = (number("tarpitcount")?, number("tarpitdelay")?);
    let greet_seconds = number("greetdelay")?;
    let drops_early_talkers = number("droppregreet")? > 0;
    let mut patterns = |name: &str| Patterns::read(control, name, warn);
    let senders_of_strangers = patterns("badmailfromnorelay")?;
    let recipients = [patterns("badrcptto")?, patterns("badmailto")?];
    let recipients_of_strangers = patterns("badrcpttonorelay")?;
    let (names, names_of_strangers) = (patterns("badhelo")?, patterns("badhelonorelay")?);
    let senders = match are_patterns(control, &mut |_| ())? {
        true => patterns("badmailfrom")?,
        false => Patterns::default(),
    };
    // The listener's sessions have environments of their own, which name no files.
    let variable = |name: &str| std::env::var_os(name).filter(|_| form == Form::Classic);
    let asks_for_mailboxes = asks_for_mailboxes(control, warn)?;
    let may_ask = form == Form::Listener
        || asks_for_mailboxes != When::Never
        || std::env::var_os("CHKUSER_START").is_some();
    // Whoever cannot say where mail goes asks nobody, and refuses nobody.
    let routing = may_ask.then(|| control.routing(&mut |_| ()).ok()).flatten();
    Ok(Checks {
        senders,
        senders_of_strangers,
        recipients,
        recipients_of_strangers,
        names,
        names_of_strangers,
        rejects_relay_tests,
        rejects_null_senders,
        bad_recipients_max,
        tarpit_count,
        tarpit_seconds,
        greet_seconds,
        drops_early_talkers,
        valid: ValidRecipients::read(home, control, variable)?,
        asks_for_mailboxes,
        mailboxes: routing.map(|routing| Mailboxes::new(home.join("run/recipients"), routing)),
    })
}

/// Whether the lines of control/badmailfrom are patterns.
fn are_patterns(control: &Control, warn: &mut dyn FnMut(Warning)) -> Result<bool, ConfigurationError> {
    Ok(match control.line("badmailfromstyle")? {
        None => false,
        Some(line) if line == b"exact" => false,
        Some(line) if line == b"pattern" => true,
        Some(line) => {
            warn(no_choice("badmailfromstyle", line, "exact or pattern", "exact"));
            false
        }
    })
}

fn asks_for_mailboxes(control: &Control, warn: &mut dyn FnMut(Warning)) -> Result<When, ConfigurationError> {
    Ok(match control.line("checkrecipients")? {
        None => When::Never,
        Some(line) if line == b"no" => When::Never,
        Some(line) if line == b"yes" => When::ForStrangers,
        Some(line) if line == b"always" => When::Always,
        Some(line) => {
            warn(no_choice("checkrecipients", line, "no, yes or always", "no"));
            When::Never
        }
    })
}

fn no_choice(file: &str, value: Vec<u8>, accepted: &str, used: &str) -> Warning {
    Warning { file: file.to_owned(), line: 1, value, accepted: accepted.to_owned(), used: used.to_owned() }
}

/// control/rcpthosts with its database, or what stands in for it.
pub(crate) fn recipient_hosts(control: &Control, form: Form) -> Result<RecipientHosts, ConfigurationError> {
    let hosts = match (control.list("rcpthosts")?, form) {
        (Some(lines), _) => lines,
        (None, Form::Classic) => return Ok(RecipientHosts::All),
        // Never an open relay by omission (contract 17.1 D6): what qmail-send calls local, and nothing else.
        (None, Form::Listener) => match control.list("locals")? {
            Some(lines) => lines,
            None => control.line("me")?.into_iter().collect(),
        },
    };
    let more = match Cdb::open(&control.directory().join("morercpthosts.cdb")) {
        Ok(database) => Some(database),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(ConfigurationError::Database(error)),
    };
    Ok(RecipientHosts::Listed { hosts: lower_case(hosts), more })
}

fn extensions(
    control: &Control,
    form: Form,
    warn: &mut dyn FnMut(Warning),
) -> Result<Extensions, ConfigurationError> {
    let by_form = match form {
        Form::Classic => Extensions::Classic,
        Form::Listener => Extensions::Full,
    };
    Ok(match control.line("smtpextensions")? {
        None => by_form,
        Some(line) if line == b"classic" => Extensions::Classic,
        Some(line) if line == b"full" => Extensions::Full,
        Some(line) => {
            warn(Warning {
                file: "smtpextensions".to_owned(),
                line: 1,
                value: line,
                accepted: "classic or full".to_owned(),
                used: "the default".to_owned(),
            });
            by_form
        }
    })
}

fn relay_clients(
    control: &Control,
    warn: &mut dyn FnMut(Warning),
) -> Result<Vec<Network>, ConfigurationError> {
    let mut networks = Vec::new();
    for (number, line) in control.numbered_list("relayclients")?.unwrap_or_default() {
        match std::str::from_utf8(&line).ok().and_then(Network::parse) {
            Some(network) => networks.push(network),
            None => warn(Warning {
                file: "relayclients".to_owned(),
                line: number,
                value: line,
                accepted: "an address, or address/bits".to_owned(),
                used: "nothing in its place".to_owned(),
            }),
        }
    }
    Ok(networks)
}

/// The addresses of the interfaces that are up, and the addresses that mean "this host".
fn own_addresses() -> io::Result<Vec<IpAddr>> {
    let mut addresses = os::interfaces::addresses()?;
    addresses.extend([IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)]);
    Ok(addresses)
}

fn lower_case(lines: Vec<Vec<u8>>) -> HashSet<Vec<u8>> {
    lines.into_iter().map(|line| line.to_ascii_lowercase()).collect()
}

fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn wide(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(files: &[(&str, &str)], form: Form) -> (Result<Configuration, ConfigurationError>, usize) {
        let home = tempfile::tempdir().unwrap();
        let control = home.path().join("control");
        std::fs::create_dir(&control).unwrap();
        for (name, content) in files {
            std::fs::write(control.join(name), content).unwrap();
        }
        let mut warnings = 0;
        (Configuration::load(home.path(), form, &mut |_| warnings += 1), warnings)
    }

    fn takes(configuration: &Configuration, domain: &str) -> bool {
        configuration.policy.recipient_hosts.allow(Some(domain.as_bytes())).unwrap()
    }

    #[test]
    fn the_listener_without_rcpthosts_takes_local_domains_only() {
        let me = ("me", "mx.example\n");
        let listener = |files: &[_]| load(files, Form::Listener).0.unwrap();
        let with_locals = listener(&[me, ("locals", "Local.example\n")]);
        assert!(takes(&with_locals, "local.example") && !takes(&with_locals, "mx.example"));
        let bare = listener(&[me]);
        assert!(takes(&bare, "mx.example") && !takes(&bare, "other.example"));
        let none = listener(&[me, ("rcpthosts", "")]);
        assert!(!takes(&none, "mx.example"));
        assert!(takes(&load(&[me], Form::Classic).0.unwrap(), "other.example"));
    }

    #[test]
    fn without_a_name_nothing_starts() {
        assert!(matches!(load(&[], Form::Classic).0, Err(ConfigurationError::Control(_))));
    }

    #[test]
    fn wrong_values_are_reported_and_harmless() {
        let files = [
            ("me", "mx.example\n"),
            ("smtpextensions", "everything\n"),
            ("relayclients", "127.0.0.1\n10.0.0.0/8\nall\n10.0.0.0/99\n"),
            ("timeoutsmtpd", "0\n"),
            ("databytes", "-5\n"),
        ];
        let (configuration, warnings) = load(&files, Form::Listener);
        let configuration = configuration.unwrap();
        assert_eq!(warnings, 4);
        assert_eq!(configuration.relay_clients.len(), 2);
        assert_eq!(configuration.policy.timeout, Duration::from_secs(1));
        assert_eq!((configuration.policy.databytes, configuration.policy.extensions), (0, Extensions::Full));
    }
}
