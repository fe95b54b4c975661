//! Every control file we know, in one table: qmail-showctl, `quail check`, the manual page and the defaults come
//! from here.
//!
//! - [`original`] holds the files of qmail 1.03, in the order of qmail-showctl
//! - [`patches`] holds files that patched qmails have and that mean the same here
//! - [`own`] holds ours
//! - [`foreign`] holds files of patched qmails that no program of ours reads, with what to do instead
//!
//! A file is in one of the four, once. Whoever makes a program read a foreign file moves its line to [`patches`].

pub mod foreign;
mod original;
mod own;
mod patches;

pub use foreign::{FOREIGN, Foreign};
pub use original::ORIGINAL;
pub use own::OWN;
pub use patches::PATCHES;

/// How a file is read and what stands in for it when it is missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// First line; `default` when missing (`None`: not set).
    Line {
        /// What a missing file means.
        default: Option<&'static str>,
        /// What the line may be.
        entry: Entry,
    },
    /// First line; `control/me` when missing, else `default`.
    LineOrMe {
        /// What a missing `control/me` means; `None`: the program cannot run.
        default: Option<&'static str>,
    },
    /// First line, one of a few words.
    Choice {
        /// The words.
        among: &'static [&'static str],
    },
    /// Digits at the start of the first line.
    Number {
        /// What a missing or wrong file means.
        default: u64,
        /// The least accepted value.
        least: u64,
        /// The greatest accepted value.
        most: u64,
        /// What is counted.
        unit: &'static str,
    },
    /// One entry a line.
    List {
        /// What an entry may be.
        entry: Entry,
    },
    /// One entry a line; a missing file means the one entry of `control/me`.
    ListOrMe {
        /// What an entry may be.
        entry: Entry,
    },
    /// `key:value` lines.
    Map {
        /// What a key may be; an empty one may always be.
        key: Entry,
    },
    /// A constant database made from another file.
    Cdb {
        /// The control file it is made from.
        source: &'static str,
        /// The program that makes it.
        made_by: &'static str,
    },
}

/// What a line, an entry or a key may look like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Entry {
    /// Anything.
    Text,
    /// The part of an address before its `@`.
    LocalPart,
    /// A domain name, or an address in brackets.
    Domain,
    /// A domain name, or `.suffix` for everything below it.
    DomainOrSuffix,
    /// `user@domain`, a domain name, or `.suffix`.
    AddressOrDomain,
    /// `user@domain` or `@domain`.
    Sender,
    /// An IP address, or `address:port`.
    Server,
    /// An IP address, or `address/bits`.
    Network,
    /// `address:port` or `[IPv6]:port`.
    SocketAddress,
    /// `F:pattern:address` and its like.
    Tap,
}

impl Entry {
    /// For a person, with what is to be taken literally in back quotes.
    pub fn words(self) -> &'static str {
        match self {
            Self::Text => "any text",
            Self::LocalPart => "the part of an address before its at sign",
            Self::Domain => "a domain name, or an address in brackets",
            Self::DomainOrSuffix => "a domain name, or `.suffix` for everything below it",
            Self::AddressOrDomain => "`user@domain`, a domain name, or `.suffix`",
            Self::Sender => "`user@domain` or `@domain`",
            Self::Server => "an IP address, or `address:port`",
            Self::Network => "an IP address, or `address/bits`",
            Self::SocketAddress => "`address:port` or `[IPv6]:port`",
            Self::Tap => "`F:pattern:address`, `T:pattern:address`, `A:pattern:address` or `pattern:address`",
        }
    }
}

/// Since when a file means what it means here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Since {
    /// qmail 1.03 reads it.
    Original,
    /// Patched qmails, or the usual run scripts, read it; Quail does so since this version.
    Patches(&'static str),
    /// Quail, since this version.
    Quail(&'static str),
}

impl Since {
    /// For a person: `qmail 1.03`.
    pub fn words(self) -> String {
        match self {
            Self::Original => "qmail 1.03".into(),
            Self::Patches(version) => format!("patched qmails; Quail {version}"),
            Self::Quail(version) => format!("Quail {version}"),
        }
    }
}

/// When a change is noticed by programs that live longer than one message. All others read a file at each start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Noticed {
    /// Without being told, within a second.
    Soon,
    /// After HUP.
    AtHangUp,
    /// After a restart.
    AtStart,
}

impl Noticed {
    /// For a person: `at HUP`.
    pub fn words(self) -> &'static str {
        match self {
            Self::Soon => "at once",
            Self::AtHangUp => "at HUP",
            Self::AtStart => "at a restart",
        }
    }
}

/// One control file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Setting {
    /// Its name in `control/`.
    pub name: &'static str,
    /// How it is read.
    pub form: Form,
    /// The programs that read it.
    pub readers: &'static str,
    /// When a change is noticed.
    pub noticed: Noticed,
    /// Since when it means this.
    pub since: Since,
    /// What it means, in a sentence or two.
    pub meaning: &'static str,
}

impl Setting {
    /// This setting, with changes noticed at HUP only.
    pub(crate) const fn at_hang_up(mut self) -> Self {
        self.noticed = Noticed::AtHangUp;
        self
    }

    /// This setting, with changes noticed at a restart only.
    pub(crate) const fn at_start(mut self) -> Self {
        self.noticed = Noticed::AtStart;
        self
    }

    /// What a missing file means, for a person. For a list, a map or a database [`Setting::meaning`] says it.
    pub fn default_words(&self) -> String {
        match self.form {
            Form::Line { default: Some(word), .. } => word.into(),
            Form::LineOrMe { default: Some(word) } => format!("control/me, else {word}"),
            Form::LineOrMe { default: None } | Form::ListOrMe { .. } => "control/me".into(),
            Form::Number { default, unit, .. } => format!("{default} {unit}"),
            Form::Line { default: None, .. }
            | Form::Choice { .. }
            | Form::List { .. }
            | Form::Map { .. }
            | Form::Cdb { .. } => "none".into(),
        }
    }
}

/// Looks a file up by name.
pub fn setting(name: &str) -> Option<&'static Setting> {
    all().find(|s| s.name == name)
}

/// Looks a foreign file up by name.
pub fn foreign(name: &str) -> Option<&'static Foreign> {
    FOREIGN.iter().find(|f| f.name == name)
}

/// Every file that a program of ours reads: the original's in the order of qmail-showctl, then the others by name.
pub fn all() -> impl Iterator<Item = &'static Setting> {
    ORIGINAL.iter().chain(PATCHES).chain(OWN)
}

/// As [`all`], by name.
pub fn by_name() -> Vec<&'static Setting> {
    let mut settings: Vec<_> = all().collect();
    settings.sort_unstable_by_key(|s| s.name);
    settings
}

const fn line(default: Option<&'static str>, entry: Entry) -> Form {
    Form::Line { default, entry }
}
const fn or_me(default: Option<&'static str>) -> Form {
    Form::LineOrMe { default }
}
const fn number(default: u64, least: u64, most: u64, unit: &'static str) -> Form {
    Form::Number { default, least, most, unit }
}
const fn list(entry: Entry) -> Form {
    Form::List { entry }
}
const fn map(key: Entry) -> Form {
    Form::Map { key }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_file_is_told_once_and_every_default_is_in_its_range() {
        let mut names = BTreeSet::new();
        for setting in all() {
            assert!(names.insert(setting.name), "{} is there twice", setting.name);
            assert!(!setting.meaning.is_empty() && !setting.readers.is_empty(), "{}", setting.name);
            if let Form::Number { default, least, most, .. } = setting.form {
                assert!((least..=most).contains(&default), "{}", setting.name);
            }
        }
        for foreign in FOREIGN {
            assert!(names.insert(foreign.name), "{} is read and foreign", foreign.name);
            assert!(!foreign.meaning.is_empty() && !foreign.instead.is_empty(), "{}", foreign.name);
        }
    }

    #[test]
    fn every_table_is_in_order() {
        assert!(PATCHES.is_sorted_by(|a, b| a.name < b.name));
        assert!(OWN.is_sorted_by(|a, b| a.name < b.name));
        assert!(FOREIGN.is_sorted_by(|a, b| a.name < b.name));
        assert!(ORIGINAL.iter().all(|s| s.since == Since::Original));
        assert!(PATCHES.iter().all(|s| matches!(s.since, Since::Patches(_))));
        assert!(OWN.iter().all(|s| matches!(s.since, Since::Quail(_))));
    }

    #[test]
    fn the_originals_files_are_all_there() {
        let contract = "badmailfrom bouncefrom bouncehost concurrencylocal concurrencyremote databytes defaultdomain \
                        defaulthost doublebouncehost doublebounceto envnoathost helohost idhost localiphost locals me \
                        percenthack plusdomain qmqpservers queuelifetime rcpthosts morercpthosts morercpthosts.cdb \
                        smtpgreeting smtproutes timeoutconnect timeoutremote timeoutsmtpd virtualdomains";
        let ours: Vec<_> = ORIGINAL.iter().map(|s| s.name).collect();
        assert_eq!(ours, contract.split_whitespace().collect::<Vec<_>>());
    }

    #[test]
    fn defaults_have_words() {
        let words = |name| setting(name).unwrap().default_words();
        assert_eq!(words("idhost"), "control/me, else idhost");
        assert_eq!(words("locals"), "control/me");
        assert_eq!(words("timeoutconnect"), "60 seconds");
        assert_eq!(words("badmailfrom"), "none");
    }
}
