//! Who may send to whom: an open relay, and domains that one file names and another does not.

use super::finding::Finding;
use crate::place::{Place, quoted};
use control::read::Control;
use std::path::PathBuf;

pub(super) fn findings(place: &Place) -> Vec<Finding> {
    let control = Control::at(&place.home);
    let list = |name: &str| control.list(name).ok().flatten();
    let path = |name: &str| place.at("control").join(name);
    let mut found = Vec::new();
    let Some(rcpthosts) = list("rcpthosts") else {
        if !path("rcpthosts").exists() {
            found.push(Finding::fault(
                &path("rcpthosts"),
                "missing: under tcpserver this host relays mail from anybody to anybody",
                "a list of the domains whose mail is taken",
                format!("cp {} {}", quoted(&path("locals")), quoted(&path("rcpthosts"))),
            ));
        }
        return found;
    };
    found.extend(whole_internet(&list("relayclients").unwrap_or_default(), path("relayclients")));
    let is_taken = |domain: &[u8]| {
        rcpthosts.iter().any(|entry| {
            let suffix = entry.first() == Some(&b'.')
                && domain.to_ascii_lowercase().ends_with(&entry.to_ascii_lowercase());
            suffix || entry.eq_ignore_ascii_case(domain)
        })
    };
    let has_more = path("morercpthosts.cdb").exists();
    let virtualdomains = list("virtualdomains").unwrap_or_default();
    let virtuals: Vec<&[u8]> = virtualdomains
        .iter()
        .filter_map(|line| line.split(|&b| b == b':').next())
        .filter(|key| !key.is_empty() && !key.contains(&b'@') && key.first() != Some(&b'.'))
        .collect();
    let locals = list("locals").unwrap_or_default();
    for (name, domains) in [
        ("locals", locals.iter().map(Vec::as_slice).collect::<Vec<_>>()),
        ("virtualdomains", virtuals.clone()),
    ] {
        for domain in domains.into_iter().filter(|d| !has_more && !is_taken(d)).take(FINDINGS_MAX) {
            let shown = domain.escape_ascii().to_string();
            found.push(Finding::note(
                &path(name),
                format!("{shown} is not in rcpthosts, so mail for it is refused from the network"),
                "in both, if other hosts are to send to it",
                format!("echo {shown} >> {}", quoted(&path("rcpthosts"))),
            ));
        }
    }
    for domain in
        virtuals.iter().filter(|d| locals.iter().any(|l| l.eq_ignore_ascii_case(d))).take(FINDINGS_MAX)
    {
        let shown = domain.escape_ascii();
        found.push(Finding::fault(
            &path("virtualdomains"),
            format!("{shown} is in locals too, so this line is never used"),
            "in one of the two",
            format!("[take {shown} out of {}]", path("locals").display()),
        ));
    }
    found
}

/// How many findings about one file are told.
const FINDINGS_MAX: usize = 20;

fn whole_internet(relayclients: &[Vec<u8>], path: PathBuf) -> Option<Finding> {
    let wide = relayclients.iter().find(|line| {
        let bits = line.rsplit(|&b| b == b'/').next().filter(|bits| bits.len() < line.len());
        bits.and_then(|bits| std::str::from_utf8(bits).ok()?.parse::<u8>().ok()).is_some_and(|bits| bits < 8)
    })?;
    let shown = wide.escape_ascii();
    Some(Finding::fault(
        &path,
        format!("\"{shown}\" lets strangers send to anybody: an open relay"),
        "the networks of your own clients",
        format!("[take {shown} out]"),
    ))
}
