//! Every control file we know, in one table: the manual, the checks and the defaults come from here.

/// How a file is read and what stands in for it when it is missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// First line; `default` when missing (`None`: not set).
    Line {
        /// What a missing file means.
        default: Option<&'static str>,
    },
    /// First line; `control/me` when missing, else `default`.
    LineOrMe {
        /// What a missing `control/me` means; `None`: the program cannot run.
        default: Option<&'static str>,
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
    List,
    /// `key:value` lines.
    Map,
    /// A constant database made from another file.
    Cdb,
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
    /// What it means, in a sentence or two.
    pub meaning: &'static str,
}

/// Looks a file up by name.
pub fn setting(name: &str) -> Option<&'static Setting> {
    CATALOGUE.iter().find(|s| s.name == name)
}

const fn line(default: Option<&'static str>) -> Form {
    Form::Line { default }
}
const fn or_me(default: Option<&'static str>) -> Form {
    Form::LineOrMe { default }
}
const fn number(default: u64, least: u64, most: u64, unit: &'static str) -> Form {
    Form::Number { default, least, most, unit }
}
const fn file(name: &'static str, form: Form, readers: &'static str, meaning: &'static str) -> Setting {
    Setting { name, form, readers, meaning }
}

const WEEK_SECONDS: u64 = 604_800;
const YEAR_SECONDS: u64 = 31_536_000;

/// All control files, by name.
pub const CATALOGUE: &[Setting] = &[
    file(
        "badmailfrom",
        Form::List,
        "qmail-smtpd",
        "Envelope senders that are refused: `user@domain`, or `@domain` for a whole domain, without its sub-domains.",
    ),
    file(
        "bouncefrom",
        line(Some("MAILER-DAEMON")),
        "qmail-send",
        "Local part of the From address of bounces.",
    ),
    file(
        "bouncehost",
        or_me(Some("bouncehost")),
        "qmail-send",
        "Domain of the From address of bounces, and the host their text names.",
    ),
    file(
        "concurrencyincoming",
        number(100, 1, 100_000, "sessions"),
        "qmail-smtpd --listen",
        "How many SMTP sessions may be open at once; others wait in the listen queue.",
    ),
    file(
        "concurrencylocal",
        number(10, 0, 65_000, "deliveries"),
        "qmail-send",
        "How many local deliveries may run at once; capped by what qmail-lspawn can do. 0 holds local mail.",
    ),
    file(
        "concurrencyremote",
        number(20, 0, 65_000, "deliveries"),
        "qmail-send",
        "How many remote deliveries may run at once; capped by what qmail-rspawn can do. 0 holds remote mail.",
    ),
    file(
        "concurrencyremotehost",
        number(20, 1, 65_000, "connections"),
        "qmail-remote",
        "How many connections to one address of another host may be open at once.",
    ),
    file(
        "databytes",
        number(0, 0, u64::MAX, "bytes"),
        "qmail-smtpd",
        "The largest message accepted by SMTP; 0 is no limit. The environment variable DATABYTES goes before it.",
    ),
    file("defaultdomain", or_me(Some("defaultdomain")), "qmail-inject", "Added to host names without a dot."),
    file("defaulthost", or_me(Some("defaulthost")), "qmail-inject", "Added to addresses without a host."),
    file(
        "doublebouncehost",
        or_me(Some("doublebouncehost")),
        "qmail-send",
        "Domain of the address that gets double bounces.",
    ),
    file(
        "doublebounceto",
        line(Some("postmaster")),
        "qmail-send",
        "Local part of the address that gets double bounces.",
    ),
    file(
        "envnoathost",
        or_me(Some("envnoathost")),
        "qmail-send",
        "Domain of envelope recipients that have none.",
    ),
    file("helohost", or_me(None), "qmail-remote", "The name given in EHLO and HELO."),
    file("idhost", or_me(Some("idhost")), "qmail-inject", "Domain of new Message-IDs."),
    file(
        "localiphost",
        or_me(None),
        "qmail-smtpd",
        "What stands for `[own.ip.address]` in envelope addresses.",
    ),
    file(
        "locals",
        Form::List,
        "qmail-send",
        "Domains that are delivered on this host. A missing file means control/me; an empty one means none.",
    ),
    file(
        "maxrcpt",
        number(10_000, 1, 100_000, "recipients"),
        "qmail-smtpd",
        "How many recipients one message may have when it comes by SMTP; the client is told to send the others later.",
    ),
    file("me", line(None), "all", "The name of this host, fully qualified; the default of many others."),
    file(
        "morercpthosts",
        Form::List,
        "qmail-newmrh",
        "Further domains as in rcpthosts; qmail-newmrh makes the database from it.",
    ),
    file(
        "morercpthosts.cdb",
        Form::Cdb,
        "qmail-smtpd",
        "Made by qmail-newmrh from morercpthosts; looked at only where rcpthosts exists.",
    ),
    file("percenthack", Form::List, "qmail-send", "Domains in which user%host@domain means user@host."),
    file(
        "plusdomain",
        or_me(Some("plusdomain")),
        "qmail-inject",
        "Added to host names that end with a plus sign.",
    ),
    file(
        "programtimeout",
        number(0, 0, YEAR_SECONDS, "seconds"),
        "qmail-local",
        "How long a program in a .qmail file may run before it is ended and the delivery deferred; 0 is no limit.",
    ),
    file(
        "queuelifetime",
        number(WEEK_SECONDS, 0, 100 * YEAR_SECONDS, "seconds"),
        "qmail-send",
        "How long a message may wait in the queue; after that its next failed attempt is its last.",
    ),
    file(
        "rcpthosts",
        Form::List,
        "qmail-smtpd",
        "Domains for which mail is accepted by SMTP; `.suffix` stands for all its sub-domains. Without the file qmail-smtpd under tcpserver accepts every recipient, as qmail does, and the listener accepts local domains only.",
    ),
    file(
        "relayclients",
        Form::List,
        "qmail-smtpd --listen",
        "Addresses or `address/bits` ranges of clients that may send to anybody. Under tcpserver the environment variable RELAYCLIENT says so instead.",
    ),
    file(
        "smtpextensions",
        line(None),
        "qmail-smtpd",
        "What EHLO offers: `full` is PIPELINING, 8BITMIME, SIZE and ENHANCEDSTATUSCODES; `classic` is PIPELINING and 8BITMIME, and SIZE where databytes is set. The listener is full, qmail-smtpd under tcpserver classic.",
    ),
    file("smtpgreeting", or_me(None), "qmail-smtpd", "What follows 220 in the greeting."),
    file(
        "smtplisten",
        Form::List,
        "quail start",
        "Where the SMTP server listens: `address:port` or `[IPv6]:port` lines. Default 0.0.0.0:25 and [::]:25.",
    ),
    file(
        "smtpmaxerrors",
        number(100, 1, 1_000_000, "refusals"),
        "qmail-smtpd",
        "After how many refusals since the last accepted message a client is hung up on.",
    ),
    file(
        "smtproutes",
        Form::Map,
        "qmail-remote",
        "`domain:relay` or `domain:relay:port`: where mail for a domain, a `.suffix`, or with an empty key everything, is sent. An empty relay means its mail exchangers.",
    ),
    file(
        "smtpsessionseconds",
        number(14_400, 60, 604_800, "seconds"),
        "qmail-smtpd",
        "How long one SMTP session may last.",
    ),
    file(
        "smtpsessionsperaddress",
        number(20, 1, 100_000, "sessions"),
        "qmail-smtpd --listen",
        "How many SMTP sessions one client (an IPv4 address or an IPv6 /64) may have open at once. Relay clients and this host itself are not limited by it.",
    ),
    file(
        "timeoutconnect",
        number(60, 1, 86_400, "seconds"),
        "qmail-remote",
        "How long a connection may take to come about.",
    ),
    file(
        "timeoutremote",
        number(1200, 1, 86_400, "seconds"),
        "qmail-remote",
        "How long each read or write may take when sending.",
    ),
    file(
        "timeoutsmtpd",
        number(1200, 0, 86_400, "seconds"),
        "qmail-smtpd",
        "How long each read or write may take when receiving; 0 counts as 1.",
    ),
    file(
        "virtualdomains",
        Form::Map,
        "qmail-send",
        "`user@domain:prefix`, `domain:prefix`, `.suffix:prefix` or `:prefix`: mail for these is delivered on this host to prefix-address. An empty prefix makes an exception.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_every_default_is_in_its_range() {
        assert!(CATALOGUE.is_sorted_by(|a, b| a.name < b.name));
        for setting in CATALOGUE {
            assert!(!setting.meaning.is_empty() && !setting.readers.is_empty(), "{}", setting.name);
            if let Form::Number { default, least, most, .. } = setting.form {
                assert!((least..=most).contains(&default), "{}", setting.name);
            }
        }
    }
}
