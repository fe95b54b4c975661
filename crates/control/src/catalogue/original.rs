//! The control files of qmail 1.03 (contract 3.2).

use super::{Entry, Form, Noticed, Setting, Since, line, list, map, number, or_me};

const fn file(name: &'static str, form: Form, readers: &'static str, meaning: &'static str) -> Setting {
    Setting { name, form, readers, noticed: Noticed::Soon, since: Since::Original, meaning }
}

const WEEK_SECONDS: u64 = 604_800;
const YEAR_SECONDS: u64 = 31_536_000;

/// In the order of qmail-showctl.
pub const ORIGINAL: &[Setting] = &[
    file(
        "badmailfrom",
        list(Entry::Sender),
        "qmail-smtpd",
        "Envelope senders that are refused: `user@domain`, or `@domain` for a whole domain, without its sub-domains.",
    )
    .at_hang_up(),
    file(
        "bouncefrom",
        line(Some("MAILER-DAEMON"), Entry::LocalPart),
        "qmail-send",
        "Local part of the From address of bounces.",
    )
    .at_hang_up(),
    file(
        "bouncehost",
        or_me(Some("bouncehost")),
        "qmail-send",
        "Domain of the From address of bounces, and the host their text names.",
    )
    .at_hang_up(),
    file(
        "concurrencylocal",
        number(10, 0, 65_000, "deliveries"),
        "qmail-send",
        "How many local deliveries may run at once; capped by what qmail-lspawn can do. 0 holds local mail.",
    )
    .at_start(),
    file(
        "concurrencyremote",
        number(20, 0, 65_000, "deliveries"),
        "qmail-send",
        "How many remote deliveries may run at once; capped by what qmail-rspawn can do. 0 holds remote mail.",
    )
    .at_start(),
    file(
        "databytes",
        number(0, 0, u64::MAX, "bytes"),
        "qmail-smtpd, qmail-qmtpd",
        "The largest message accepted from the network; 0 is no limit. The environment variable DATABYTES goes before it.",
    )
    .at_hang_up(),
    file(
        "defaultdomain",
        or_me(Some("defaultdomain")),
        "qmail-inject",
        "Added to host names without a dot. The environment variable QMAILDEFAULTDOMAIN goes before it.",
    ),
    file(
        "defaulthost",
        or_me(Some("defaulthost")),
        "qmail-inject",
        "Added to addresses without a host. The environment variable QMAILDEFAULTHOST goes before it.",
    ),
    file(
        "doublebouncehost",
        or_me(Some("doublebouncehost")),
        "qmail-send",
        "Domain of the address that gets double bounces.",
    )
    .at_hang_up(),
    file(
        "doublebounceto",
        line(Some("postmaster"), Entry::LocalPart),
        "qmail-send",
        "Local part of the address that gets double bounces. With an empty first line they are dropped.",
    )
    .at_hang_up(),
    file(
        "envnoathost",
        or_me(Some("envnoathost")),
        "qmail-send",
        "Domain of envelope recipients that have none.",
    )
    .at_hang_up(),
    file("helohost", or_me(None), "qmail-remote", "The name given in EHLO and HELO."),
    file(
        "idhost",
        or_me(Some("idhost")),
        "qmail-inject",
        "Domain of new Message-IDs. The environment variable QMAILIDHOST goes before it.",
    ),
    file(
        "localiphost",
        or_me(None),
        "qmail-smtpd",
        "What stands for `[own.ip.address]` in envelope addresses.",
    )
    .at_hang_up(),
    file(
        "locals",
        Form::ListOrMe { entry: Entry::Domain },
        "qmail-send",
        "Domains that are delivered on this host. A missing file means control/me; an empty one means none.",
    )
    .at_hang_up(),
    file(
        "me",
        line(None, Entry::Domain),
        "all",
        "The name of this host, fully qualified; the default of many others.",
    )
    .at_hang_up(),
    file(
        "percenthack",
        list(Entry::Domain),
        "qmail-send",
        "Domains in which user%host@domain means user@host.",
    )
    .at_hang_up(),
    file(
        "plusdomain",
        or_me(Some("plusdomain")),
        "qmail-inject",
        "Added to host names that end with a plus sign. The environment variable QMAILPLUSDOMAIN goes before it.",
    ),
    file(
        "qmqpservers",
        list(Entry::Server),
        "qmail-qmqpc",
        "Addresses of QMQP servers, tried in this order. qmail-qmqpc cannot do without.",
    ),
    file(
        "queuelifetime",
        number(WEEK_SECONDS, 0, 100 * YEAR_SECONDS, "seconds"),
        "qmail-send",
        "How long a message may wait in the queue; after that its next failed attempt is its last.",
    )
    .at_hang_up(),
    file(
        "rcpthosts",
        list(Entry::DomainOrSuffix),
        "qmail-smtpd, qmail-qmtpd",
        "Domains for which mail is accepted from the network; `.suffix` stands for all its sub-domains. Without the file qmail-smtpd under tcpserver accepts every recipient, as qmail does, and the listener accepts local domains only.",
    )
    .at_hang_up(),
    file(
        "morercpthosts",
        list(Entry::DomainOrSuffix),
        "qmail-newmrh",
        "Further domains as in rcpthosts; qmail-newmrh makes the database from it.",
    ),
    file(
        "morercpthosts.cdb",
        Form::Cdb { source: "morercpthosts", made_by: "qmail-newmrh" },
        "qmail-smtpd, qmail-qmtpd",
        "Made by qmail-newmrh from morercpthosts; looked at only where rcpthosts exists.",
    )
    .at_hang_up(),
    file("smtpgreeting", or_me(None), "qmail-smtpd", "What follows 220 in the greeting.").at_hang_up(),
    file(
        "smtproutes",
        map(Entry::DomainOrSuffix),
        "qmail-remote",
        "`domain:relay` or `domain:relay:port`: where mail for a domain, a `.suffix`, or with an empty key everything, is sent. An empty relay means its mail exchangers. With a login behind it (`|user|password`) the mail waits, as long as there is no logging in.",
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
    )
    .at_hang_up(),
    file(
        "virtualdomains",
        map(Entry::AddressOrDomain),
        "qmail-send",
        "`user@domain:prefix`, `domain:prefix`, `.suffix:prefix` or `:prefix`: mail for these is delivered on this host to prefix-address. An empty prefix makes an exception.",
    )
    .at_hang_up(),
];
