//! Databases that are older than what they are made from.

use super::finding::Finding;
use crate::place::Place;

/// The database, what it is made from, what makes it.
const MADE: [(&str, &str, &str); 2] = [
    ("users/cdb", "users/assign", "qmail-newu"),
    ("control/morercpthosts.cdb", "control/morercpthosts", "qmail-newmrh"),
];

pub(super) fn findings(place: &Place) -> Vec<Finding> {
    MADE.iter().filter_map(|made| stale(place, made)).collect()
}

fn stale(place: &Place, (database, source, program): &(&str, &str, &str)) -> Option<Finding> {
    let (database, source) = (place.at(database), place.at(source));
    let written = source.metadata().ok()?.modified().ok()?;
    let mend = place.at("bin").join(program).display().to_string();
    match database.metadata().and_then(|m| m.modified()) {
        Err(_) => Some(Finding::fault(
            &database,
            "missing",
            format!("made from {}, which has no effect without", source.display()),
            mend,
        )),
        Ok(made) if made < written => Some(Finding::fault(
            &database,
            format!("older than {}", source.display()),
            "made anew after each change",
            mend,
        )),
        Ok(_) => None,
    }
}
