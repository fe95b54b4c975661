//! Which qmail it is: patches are known by the words that they have brought into programs.

use super::remark::{Remark, Standing};
use crate::place::Place;
use crate::setup::programs::is_wrapper;
use memchr::memmem;

/// A patch: the program it changes, a text that only it has, and its name.
struct Mark {
    program: &'static str,
    text: &'static str,
    patch: &'static str,
    /// What is missing without it, where a control file does not say so.
    lost: Option<&'static str>,
}

const fn mark(program: &'static str, text: &'static str, patch: &'static str) -> Mark {
    Mark { program, text, patch, lost: None }
}

const fn losing(program: &'static str, text: &'static str, patch: &'static str, lost: &'static str) -> Mark {
    Mark { program, text, patch, lost: Some(lost) }
}

const MARKS: &[Mark] = &[
    losing("qmail-smtpd", "STARTTLS", "TLS on the way in", "clients can no longer encrypt"),
    losing("qmail-smtpd", "5.7.1 authentication", "SMTP AUTH", "clients can no longer log in"),
    losing("qmail-smtpd", "authentication failed", "SMTP AUTH", "clients can no longer log in"),
    losing("qmail-remote", "STARTTLS", "TLS on the way out", "mail leaves in clear"),
    losing("qmail-remote", "AUTH LOGIN", "login at relays", "relays that ask for a login refuse"),
    losing("qmail-smtpd", "SPFBEHAVIOR", "SPF", "senders are no longer looked up in SPF records"),
    losing("qmail-smtpd", "smtpplugins", "qmail-spp", "plug-ins are no longer run"),
    losing("qmail-queue", "DKIM", "DKIM in qmail-queue", "messages are no longer signed or verified there"),
    mark("qmail-smtpd", "chkuser", "chkuser"),
    mark("qmail-smtpd", "badrcptto", "refused recipients"),
    mark("qmail-smtpd", "badmailto", "refused recipients"),
    mark("qmail-smtpd", "badhelo", "refused HELO names"),
    mark("qmail-smtpd", "validrcptto", "list of recipients that exist"),
    mark("qmail-smtpd", "maxrcpt", "limit of recipients"),
    mark("qmail-smtpd", "brtlimit", "limit of wrong recipients"),
    mark("qmail-smtpd", "tarpitcount", "tarpit"),
    mark("qmail-smtpd", "GREETDELAY", "delayed greeting"),
    mark("qmail-smtpd", "dnsbllist", "DNS block lists"),
    mark("qmail-inject", "QMAILQUEUE", "QMAILQUEUE"),
    mark("qmail-queue", "taps", "qmail-taps"),
    mark("qmail-remote", "outgoingip", "source address"),
    mark("qmail-remote", "bindroutes", "source address by route"),
    mark("qmail-remote", "qmtproutes", "QMTP on the way out"),
    mark("qmail-remote", "moreipme", "further addresses of this host"),
    mark("qmail-send", "bouncemaxbytes", "short bounces"),
    mark("qmail-send", "discarding bounce", "double bounces dropped"),
    mark("qmail-send", "srs_domain", "SRS"),
    mark("qmail-local", "maildirsize", "Maildir++ quota"),
    mark("qmail-todo", "", "ext-todo"),
];

/// Which family, by a text in qmail-smtpd.
const FAMILIES: [(&str, &str); 3] =
    [("notqmail", "notqmail"), ("netqmail", "netqmail"), ("sagredo", "the sagredo patch set")];

/// What is known of it. Programs in `keep` keep what they have.
pub(super) fn remarks(place: &Place, keep: &[String]) -> Vec<Remark> {
    let bin = place.at("bin");
    let read = |name: &str| std::fs::read(bin.join(name)).unwrap_or_default();
    let smtpd = read("qmail-smtpd");
    let has = |bytes: &[u8], text: &str| memmem::find(bytes, text.as_bytes()).is_some();
    let family =
        FAMILIES.iter().find(|(text, _)| has(&smtpd, text)).map_or("qmail 1.03 or a descendant", |f| f.1);
    let mut found = vec![Remark::new(Standing::Found, place.home.display().to_string(), family)];
    let mut patches: Vec<&str> = Vec::new();
    for Mark { program, text, patch, lost } in MARKS {
        if !bin.join(program).exists() || !has(&read(program), text) || patches.contains(patch) {
            continue;
        }
        patches.push(patch);
        let Some(lost) = lost else { continue };
        let is_kept = keep.iter().any(|k| k == program);
        if is_kept || is_wrapper(&bin.join(program)) {
            let words = format!("goes on, with the original's {program}");
            found.push(Remark::new(Standing::Honoured, *patch, words));
        } else {
            let words = format!("{lost}; --keep {program} leaves the original's program in place");
            found.push(Remark::new(Standing::Lost, *patch, words));
        }
    }
    if !patches.is_empty() {
        found.push(Remark::new(Standing::Found, "patches", patches.join(", ")));
    }
    found.extend(wrappers(place));
    for name in keep {
        if !bin.join(name).exists() {
            let words = "is not one of the original's programs; --keep takes a name in bin";
            found.push(Remark::new(Standing::Blocks, name, words));
        }
    }
    found
}

/// Scripts and links where programs should be: somebody's filter.
fn wrappers(place: &Place) -> Vec<Remark> {
    let bin = place.at("bin");
    let names = ["qmail-queue", "qmail-inject", "qmail-local", "qmail-remote", "qmail-smtpd", "sendmail"];
    names
        .iter()
        .filter(|name| is_wrapper(&bin.join(name)))
        .map(|name| {
            let path = bin.join(name).display().to_string();
            Remark::new(
                Standing::Honoured,
                path,
                "is a script or a link of yours and stays; what it calls stays too",
            )
        })
        .collect()
}
