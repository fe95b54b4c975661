//! Control files that patched qmails, or the usual run scripts, have had for long (contract 16).

use super::{Entry, Form, Noticed, Setting, Since, line, list, map, number};

const fn file(name: &'static str, form: Form, readers: &'static str, meaning: &'static str) -> Setting {
    Setting { name, form, readers, noticed: Noticed::Soon, since: Since::Patches("0.1"), meaning }
}

/// A file of qmail-smtpd, which the listener reads again at HUP.
const fn smtp(name: &'static str, form: Form, meaning: &'static str) -> Setting {
    file(name, form, "qmail-smtpd", meaning).at_hang_up()
}

const PATTERNS: Form = list(Entry::Text);
const SWITCH: Form = number(0, 0, 1, "(1 is on)");
const CDB: &str = "any program that makes a cdb";

/// By name.
pub const PATCHES: &[Setting] = &[
    file("authsenders", map(Entry::Text), "qmail-remote", "`sender:relay` or `sender:relay:port`: where mail of an envelope sender, an `@domain`, a `.suffix`, or with an empty key everybody, is sent; asked before smtproutes. With a login behind it (`|user|password`) the mail waits, as long as there is no logging in."),
    smtp(
        "badhelo",
        PATTERNS,
        "Patterns of HELO names that are refused, at RCPT: POSIX extended regular expressions without regard to case, found anywhere; a leading `!` refuses what does not match.",
    ),
    smtp("badhelonorelay", PATTERNS, "As badhelo, for clients that may not relay."),
    smtp(
        "badmailfromnorelay",
        PATTERNS,
        "Patterns, as in badhelo, of senders that are refused at RCPT, for clients that may not relay. The empty sender never is.",
    ),
    smtp("badmailto", PATTERNS, "Older name of badrcptto; both are read."),
    smtp("badrcptto", PATTERNS, "Patterns, as in badhelo, of recipients that are refused."),
    smtp("badrcpttonorelay", PATTERNS, "As badrcptto, for clients that may not relay."),
    file("bindroutes", map(Entry::Text), "qmail-remote", "`prefix:source`: the address that connections to IPv4 addresses with these leading octets leave from; `0.0.0.0` means that the system chooses. The longest prefix counts."),
    file(
        "bouncemaxbytes",
        number(0, 0, 1_000_000_000_000, "bytes"),
        "qmail-send",
        "How much of a message is copied into its bounce; 0: all of it.",
    )
    .at_hang_up(),
    smtp(
        "brtlimit",
        number(0, 0, 1_000_000, "recipients"),
        "After how many recipients that are refused because they do not exist or are not wanted a client is hung up on; 0 is never.",
    ),
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
    smtp(
        "maxrcpt",
        number(10_000, 1, 100_000, "recipients"),
        "How many recipients one message may have when it comes by SMTP; the client is told to send the others later.",
    ),
    file("moreipme", list(Entry::Text), "qmail-remote", "Further addresses of this host: `address`, `address/bits` or `address/mask`. The longest mask counts."),
    smtp(
        "morevalidrcptto.cdb",
        Form::Cdb { source: "morevalidrcptto", made_by: CDB },
        "The lines of validrcptto, lower-case, as keys.",
    ),
    file(
        "mxps",
        number(0, 0, 1, ""),
        "qmail-remote",
        "1: an exchanger whose preference is 12801, 12817 and so on to 13041 is spoken to in QMTP, and in SMTP if it does not answer there (MXPS).",
    ),
    file("notipme", list(Entry::Text), "qmail-remote", "Addresses that are not taken for those of this host, in the form of moreipme, and before it where masks are equal."),
    file("outgoingip", line(None, Entry::Text), "qmail-remote", "The address that connections leave from; `0.0.0.0` means that the system chooses."),
    file(
        "qmtproutes",
        map(Entry::DomainOrSuffix),
        "qmail-remote",
        "Relays that are spoken to in QMTP, as `domain:relay` or `domain:relay:port`; looked at before smtproutes. Without a port it is 209.",
    ),
    smtp(
        "rejectnullsenders",
        SWITCH,
        "Whether the null sender is turned away, for now, and hung up on. Bounces and delivery reports come from it: only for a flood.",
    ),
    smtp(
        "rejectrelaytest",
        SWITCH,
        "Whether recipients whose local part has an at sign, a percent sign or a bang are refused, for clients that may not relay.",
    ),
    file(
        "taps",
        list(Entry::Tap),
        "qmail-queue, qmail-queued",
        "Who gets a copy of which messages: `F:pattern:address` by sender, `T:pattern:address` by recipient, `A:pattern:address` (or without `A:`) by both. Patterns as in badhelo. The first line that matches counts, and a message is copied once; without an address there is no copy.",
    ),
    smtp(
        "tarpitcount",
        number(0, 0, 1_000_000, "recipients"),
        "After how many recipients of one message every further answer to RCPT waits; refused ones count; 0 is off.",
    ),
    smtp(
        "tarpitdelay",
        number(5, 0, 240, "seconds"),
        "How long it waits then. Nobody waits while all sessions are taken.",
    ),
    smtp(
        "validrcptto",
        list(Entry::Text),
        "Recipients that are accepted (`user@domain`, `@domain`) or refused (with a `-` in front) without further questions, from clients that may not relay. The address goes before its domain, and about others nothing is said.",
    ),
    smtp(
        "validrcptto.cdb",
        Form::Cdb { source: "validrcptto.txt", made_by: CDB },
        "All recipients there are, as lower-case keys `user@domain` or `@domain`. Where it exists, others are refused, from clients that may not relay.",
    ),
];
