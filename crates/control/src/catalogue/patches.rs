//! Control files that patched qmails, or the usual run scripts, have had for long (contract 16).

use super::{Entry, Form, Noticed, Setting, Since, list, map, number};

const fn file(name: &'static str, form: Form, readers: &'static str, meaning: &'static str) -> Setting {
    Setting { name, form, readers, noticed: Noticed::Soon, since: Since::Patches("0.1"), meaning }
}

/// By name.
pub const PATCHES: &[Setting] = &[
    file(
        "concurrencyincoming",
        number(100, 1, 100_000, "sessions"),
        "qmail-smtpd --listen",
        "How many SMTP sessions may be open at once; others wait in the listen queue.",
    )
    .at_hang_up(),
    file(
        "dnsblfailclosed",
        number(0, 0, 1, ""),
        "qmail-smtpd",
        "1: while a list of dnsbllist cannot be asked, clients are refused for now.",
    )
    .at_hang_up(),
    file(
        "dnsbllist",
        list(Entry::Text),
        "qmail-smtpd",
        "Lists of addresses in the DNS whose clients are refused: `zone` for now, `-zone` for good; `+zone` lets in, `=zone` only notes. `:text` gives a text, `%IP%` in it is the client's address.",
    )
    .at_hang_up(),
    file(
        "maxrcpt",
        number(10_000, 1, 100_000, "recipients"),
        "qmail-smtpd",
        "How many recipients one message may have when it comes by SMTP; the client is told to send the others later.",
    )
    .at_hang_up(),
    file(
        "mxps",
        number(0, 0, 1, ""),
        "qmail-remote",
        "1: an exchanger whose preference is 12801, 12817 and so on to 13041 is spoken to in QMTP, and in SMTP if it does not answer there (MXPS).",
    ),
    file(
        "qmtproutes",
        map(Entry::DomainOrSuffix),
        "qmail-remote",
        "Relays that are spoken to in QMTP, as `domain:relay` or `domain:relay:port`; looked at before smtproutes. Without a port it is 209.",
    ),
];
