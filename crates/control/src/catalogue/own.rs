//! Control files that only Quail has. Each has a default that needs no file.

use super::{Entry, Form, Noticed, Setting, Since, list, number};

const fn file(name: &'static str, form: Form, readers: &'static str, meaning: &'static str) -> Setting {
    Setting { name, form, readers, noticed: Noticed::Soon, since: Since::Quail("0.1"), meaning }
}

const YEAR_SECONDS: u64 = 31_536_000;

/// By name.
pub const OWN: &[Setting] = &[
    file(
        "badmailfromstyle",
        Form::Choice { among: &["exact", "pattern"] },
        "qmail-smtpd",
        "What the lines of badmailfrom are: `exact`, the default, is `user@domain` or `@domain` as in the original; `pattern` is regular expressions as in badrcptto.",
    )
    .at_hang_up(),
    file(
        "checkrecipients",
        Form::Choice { among: &["no", "yes", "always"] },
        "qmail-smtpd",
        "Whether a recipient of this host is refused at RCPT if there is no mailbox by that name: those who would deliver are asked. `yes` is for clients that may not relay, `always` for all; without the file nobody is asked, and the sender gets a bounce.",
    )
    .at_hang_up(),
    file(
        "concurrencyremotehost",
        number(20, 1, 65_000, "connections"),
        "qmail-remote",
        "How many connections to one address of another host may be open at once.",
    ),
    file(
        "droppregreet",
        number(0, 0, 1, "(1 is on)"),
        "qmail-smtpd",
        "Whether a client that talks before it has been greeted is dropped; greetdelay must be set.",
    )
    .at_hang_up(),
    file(
        "greetdelay",
        number(0, 0, 240, "seconds"),
        "qmail-smtpd",
        "How long the greeting of the SMTP server waits, except for clients that may relay and while all sessions are taken.",
    )
    .at_hang_up(),
    file(
        "passwordfailures",
        number(10, 0, 100_000, "failures"),
        "quail-checkpassword",
        "How many wrong passwords in a row one address may give; after that it may try once in 30 seconds. 0 is no limit.",
    ),
    file(
        "popblankline",
        number(1, 0, 1, "lines"),
        "qmail-pop3d",
        "Whether an empty line follows each message on its way to a client, as the original had it. It counts in sizes.",
    ),
    file(
        "programtimeout",
        number(0, 0, YEAR_SECONDS, "seconds"),
        "qmail-local",
        "How long a program in a .qmail file may run before it is ended and the delivery deferred; 0 is no limit.",
    ),
    file(
        "relayclients",
        list(Entry::Network),
        "qmail-smtpd --listen",
        "Addresses or `address/bits` ranges of clients that may send to anybody. Under tcpserver the environment variable RELAYCLIENT says so instead.",
    )
    .at_hang_up(),
    file(
        "smtpextensions",
        Form::Choice { among: &["classic", "full"] },
        "qmail-smtpd",
        "What EHLO offers: `full` is PIPELINING, 8BITMIME, SIZE and ENHANCEDSTATUSCODES; `classic` is PIPELINING and 8BITMIME, and SIZE where databytes is set. Without the file the listener is full, qmail-smtpd under tcpserver classic.",
    )
    .at_hang_up(),
    file(
        "smtplisten",
        list(Entry::SocketAddress),
        "quail start",
        "Where the SMTP server listens: `address:port` or `[IPv6]:port` lines. Without the file 0.0.0.0:25 and [::]:25.",
    )
    .at_start(),
    file(
        "smtpmaxerrors",
        number(100, 1, 1_000_000, "refusals"),
        "qmail-smtpd",
        "After how many refusals since the last accepted message a client is hung up on.",
    )
    .at_hang_up(),
    file(
        "smtpsessionseconds",
        number(14_400, 60, 604_800, "seconds"),
        "qmail-smtpd",
        "How long one SMTP session may last.",
    )
    .at_hang_up(),
    file(
        "smtpsessionsperaddress",
        number(20, 1, 100_000, "sessions"),
        "qmail-smtpd --listen",
        "How many SMTP sessions one client (an IPv4 address or an IPv6 /64) may have open at once. Relay clients and this host itself are not limited by it.",
    )
    .at_hang_up(),
    file(
        "tcprules",
        list(Entry::Text),
        "qmail-smtpd --listen",
        "Who may connect, in the language of tcprules(1): `ADDRESS:allow,VAR=\"value\"` or `ADDRESS:deny`. The variables hold for the session as if tcpserver had set them.",
    ),
    file(
        "tcprules.cdb",
        Form::Cdb { source: "tcprules", made_by: "tcprules" },
        "qmail-smtpd --listen",
        "Who may connect, as tcprules(1) writes it: what tcprules has no rule for is looked for here. An existing database, /etc/tcp.smtp.cdb for example, may be linked to this name.",
    ),
];
