//! Control files of the original, by the catalogue.

use super::remark::{Remark, Standing};
use crate::place::Place;
use control::{catalogue, check};

pub(super) fn remarks(place: &Place) -> Vec<Remark> {
    let directory = place.at("control");
    let mut found = Vec::new();
    let mut honoured = Vec::new();
    for name in place.control_files() {
        let path = directory.join(&name);
        let about = path.display().to_string();
        if let Some(setting) = catalogue::setting(&name) {
            for warning in check::findings(setting, &std::fs::read(&path).unwrap_or_default()) {
                let value = warning.value.escape_ascii();
                let words = format!(
                    "line {}, \"{value}\", is used as {}; {} would be accepted",
                    warning.line, warning.used, warning.accepted
                );
                found.push(Remark::new(Standing::Differs, &about, words));
            }
            honoured.push(name);
        } else if let Some(foreign) = catalogue::foreign(&name) {
            let words = format!("{} {}", foreign.meaning, foreign.instead);
            found.push(Remark::new(Standing::Ignored, about, words));
        } else if path.is_file() {
            found.push(Remark::new(
                Standing::Ignored,
                about,
                "no program of ours knows it; your scripts may go on reading it",
            ));
        }
    }
    if !honoured.is_empty() {
        found.insert(0, Remark::new(Standing::Honoured, "control files", honoured.join(", ")));
    }
    if !directory.join("rcpthosts").exists() {
        let words = "is missing, so qmail-smtpd takes mail from anybody to anybody, before and after";
        found.push(Remark::new(Standing::Differs, directory.join("rcpthosts").display().to_string(), words));
    }
    for (path, words) in [
        ("users/cdb", "users come from it, as before"),
        ("alias/.qmail-default", "takes what no user has, as before"),
    ] {
        if place.at(path).exists() {
            found.push(Remark::new(Standing::Honoured, place.at(path).display().to_string(), words));
        }
    }
    found
}
