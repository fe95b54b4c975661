//! Control files, by the catalogue.

use super::finding::Finding;
use crate::place::{People, Place, quoted};
use control::{catalogue, check};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

pub(super) fn findings(place: &Place) -> Vec<Finding> {
    let directory = place.at("control");
    let mut found = Vec::new();
    if !directory.join("me").exists() {
        found.push(Finding::fault(
            &directory.join("me"),
            "missing",
            "this host's fully qualified name",
            format!("echo mail.example.org > {}", quoted(&directory.join("me"))),
        ));
    }
    for name in place.control_files() {
        found.extend(one(place, &directory.join(&name), &name));
    }
    found
}

fn one(place: &Place, path: &Path, name: &str) -> Vec<Finding> {
    let Some(setting) = catalogue::setting(name) else {
        return stranger(path, name).into_iter().collect();
    };
    let mut found: Vec<_> = readable(place, path).into_iter().collect();
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            let mend = format!("chmod 644 {}", quoted(path));
            found.push(Finding::fault(path, format!("unreadable ({error})"), "a readable file", mend));
            return found;
        }
    };
    for warning in check::findings(setting, &bytes) {
        let value = warning.value.get(..SHOWN_BYTES).unwrap_or(&warning.value).escape_ascii();
        found.push(Finding::fault(
            path,
            format!("line {} is \"{value}\" and used as {}", warning.line, warning.used),
            warning.accepted,
            format!("[edit line {}; see qmail-control(5)]", warning.line),
        ));
    }
    found
}

/// Longer values are cut.
const SHOWN_BYTES: usize = 60;

/// Programs of five accounts read them.
fn readable(place: &Place, path: &Path) -> Option<Finding> {
    let metadata = path.metadata().ok()?;
    let word = quoted(path);
    if place.people == People::Accounts && metadata.mode() & 0o004 == 0 {
        let is = format!("mode {:04o}, readable for some only", metadata.mode() & 0o7777);
        return Some(Finding::fault(
            path,
            is,
            "0644, readable for all programs",
            format!("chmod 644 {word}"),
        ));
    }
    if metadata.mode() & 0o002 != 0 {
        let is = format!("mode {:04o}, writable for everybody", metadata.mode() & 0o7777);
        return Some(Finding::fault(path, is, "0644", format!("chmod 644 {word}")));
    }
    None
}

fn stranger(path: &Path, name: &str) -> Option<Finding> {
    if let Some(foreign) = catalogue::foreign(name) {
        return Some(Finding::note(
            path,
            format!("of a patched qmail ({})", foreign.meaning.trim_end_matches('.')),
            "known to you as not read",
            format!("[{}]", foreign.instead.trim_end_matches('.')),
        ));
    }
    // Directories and what an editor leaves are nobody's settings.
    if path.is_dir() || name.starts_with('.') || name.ends_with('~') {
        return None;
    }
    let near = catalogue::all().map(|s| s.name).find(|known| is_near(known, name));
    Some(match near {
        Some(near) => Finding::fault(
            path,
            "read by no program",
            format!("{near}, if that is meant"),
            format!("mv {} {}", quoted(path), quoted(&path.with_file_name(near))),
        ),
        None => Finding::note(
            path,
            "read by no program of ours",
            "a known control file",
            "[see qmail-control(5)]",
        ),
    })
}

/// One letter more, less, or different; or one `s`, hyphen or capital.
fn is_near(known: &str, name: &str) -> bool {
    let plain = |s: &str| s.to_ascii_lowercase().replace(['-', '_'], "").trim_end_matches('s').to_owned();
    if known == name {
        return false;
    }
    if plain(known) == plain(name) {
        return true;
    }
    let (a, b) = (known.as_bytes(), name.as_bytes());
    let front = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let back = a.iter().rev().zip(b.iter().rev()).take_while(|(x, y)| x == y).count();
    let (long, short) = (a.len().max(b.len()), a.len().min(b.len()));
    // Short names are near to everything.
    long > 3 && long.saturating_sub(short) <= 1 && front.saturating_add(back).saturating_add(1) >= long
}

#[cfg(test)]
mod tests {
    use super::is_near;

    #[test]
    fn slips_of_the_pen_are_recognised() {
        for (known, name, near) in [
            ("rcpthosts", "rcpthost", true),
            ("rcpthosts", "recpthosts", true),
            ("locals", "local", true),
            ("queuelifetime", "queue-lifetime", true),
            ("databytes", "datebytes", true),
            ("me", "my", false),
            ("helohost", "idhost", false),
            ("virtualdomains", "virtualdomains.cdb", false),
        ] {
            assert_eq!(is_near(known, name), near, "{name}");
        }
    }
}
