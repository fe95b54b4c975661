//! The addresses that every host must have, and who could change where mail goes.

use super::finding::Finding;
use crate::place::{Place, quoted};
use std::os::unix::fs::MetadataExt;

pub(super) fn findings(place: &Place) -> Vec<Finding> {
    let alias = place.at("alias");
    let mut found = Vec::new();
    // Mail for a name with an account of its own, in users/cdb say, does not come here.
    let decided = alias.join(".qmail-default").exists() || place.at("users/cdb").exists();
    for name in ["postmaster", "mailer-daemon", "root"] {
        let path = alias.join(format!(".qmail-{name}"));
        if !decided && !path.exists() {
            let word = quoted(&path);
            let to = if name == "root" { "&you@example.org" } else { "&root" };
            found.push(Finding::fault(
                &path,
                format!("missing: mail for {name} comes back"),
                "where that mail is to go",
                format!("echo '{to}' > {word}"),
            ));
        }
    }
    for entry in alias.read_dir().into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path();
        if !name.starts_with(".qmail") {
            continue;
        }
        let Ok(metadata) = path.metadata() else { continue };
        if metadata.is_file() && metadata.mode() & 0o002 != 0 {
            let is = format!("mode {:04o}, so its deliveries are deferred", metadata.mode() & 0o7777);
            found.push(Finding::fault(&path, is, "0644", format!("chmod 644 {}", quoted(&path))));
        }
    }
    found
}
