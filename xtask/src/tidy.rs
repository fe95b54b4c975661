//! The house rules as tests: `cargo xtask tidy`.
//!
//! A rule is a function from the tree to complaints; no complaint is a pass. What a rule looks at it finds itself, so that
//! a new crate or program is held to it from its first day.

mod arrows;
mod papers;
mod source;

use crate::tally::Tally;
use crate::terminal::say;
use anyhow::Result;

/// A rule: what holds, and what speaks against it.
type Rule = (&'static str, fn() -> Result<Vec<String>>);

const RULES: [Rule; 16] = [
    ("unsafe is only in crates/os", source::unsafe_only_in_os),
    ("words and judgement do no I/O and read no clock", source::words_are_pure),
    ("no file is longer than 450 lines", source::files_are_short),
    ("files are named by what they hold", source::names_say_something),
    ("nothing is unfinished or switched off", source::nothing_unfinished),
    ("tests wait for events, they do not sleep", source::tests_do_not_sleep),
    ("no file names a place on somebody's machine", source::no_private_paths),
    ("crates depend downwards", arrows::point_down),
    ("root and setuid programs link almost nothing", arrows::privileged_programs_are_small),
    ("every program has a manual page and a row in programs/README.md", papers::programs_are_documented),
    ("manual pages are right mdoc, and name pages that exist", papers::pages_are_right),
    ("man/qmail-control.5 is what the catalogue says", crate::man::is_up_to_date),
    ("README.md has a row for every program", crate::readme::is_up_to_date),
    ("every program has tests", papers::programs_are_tested),
    ("every program of the original is here", papers::the_originals_programs_are_all_here),
    ("every path that a document names exists", papers::named_paths_exist),
];

/// All rules; true when all hold.
pub fn run() -> Result<bool> {
    Ok(check()?.failed == 0)
}

/// All rules, counted. Complaints are said aloud.
pub fn check() -> Result<Tally> {
    let mut total = Tally::default();
    for (rule, check) in RULES {
        let complaints = check()?;
        if complaints.is_empty() {
            total += Tally::PASSED;
            continue;
        }
        total += Tally::FAILED;
        say(&format!("broken: {rule}"));
        for complaint in complaints {
            say(&format!("    {complaint}"));
        }
    }
    say(&format!("tidy: {} rules hold, {} do not", total.passed, total.failed));
    Ok(total)
}
