//! `quail check`: the installation compared with what it should be, one finding a line, each with what mends it.
//!
//! It looks and changes nothing. Each module under `check` looks at one part and gives [`finding::Finding`]s.

mod accounts;
mod aliases;
mod controls;
mod databases;
pub mod finding;
mod programs;
mod relay;
mod service;
mod tree;

use crate::page::{complain, say};
use crate::place::Place;
use finding::{Finding, Weight};
use std::process::ExitCode;

/// Something is to be mended.
const FOUND: u8 = 1;
/// Nothing could be looked at.
const UNABLE: u8 = 2;

/// Looks at the installation and says what it finds.
pub fn run() -> ExitCode {
    let place = Place::here();
    if !place.home.is_dir() {
        complain(&format!(
            "quail: there is no {}; `quail setup` makes an installation, `quail try` a private one",
            place.home.display()
        ));
        return ExitCode::from(UNABLE);
    }
    let found = findings(&place);
    for finding in &found {
        say(&finding.to_string());
    }
    let faults = found.iter().filter(|f| f.weight == Weight::Fault).count();
    let notes = found.len().saturating_sub(faults);
    match (faults, notes) {
        (0, 0) => say(&format!("{}: everything is as it should be.", place.home.display())),
        (faults, notes) => say(&format!("{}: {faults} to mend, {notes} to know.", place.home.display())),
    }
    if faults == 0 { ExitCode::SUCCESS } else { ExitCode::from(FOUND) }
}

/// All findings, in the order of looking: a cause comes before what follows from it.
pub fn findings(place: &Place) -> Vec<Finding> {
    let mut found = accounts::findings(place);
    // With accounts missing everything would belong to somebody else.
    if found.iter().all(|f| f.weight == Weight::Note) {
        found.extend(tree::findings(place));
        found.extend(programs::findings(place));
    }
    found.extend(controls::findings(place));
    found.extend(relay::findings(place));
    found.extend(databases::findings(place));
    found.extend(aliases::findings(place));
    found.extend(service::findings(place));
    found
}
