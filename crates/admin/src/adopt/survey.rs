//! All that is said about an installed qmail before anything is done to it.

use super::remark::{Remark, STANDINGS, Standing};
use super::{controls, differences, origin, queue_survey, scripts, supervisor};
use crate::page::{say, title};
use crate::place::Place;
use anyhow::{Result, bail};

/// The report.
#[derive(Debug)]
pub(super) struct Survey {
    /// In the order of looking.
    pub remarks: Vec<Remark>,
}

/// Looks at everything. `keep`: programs of the original that will stay.
pub(super) fn of(place: &Place, keep: &[String]) -> Result<Survey> {
    let bin = place.at("bin");
    if !bin.join("qmail-send").exists() {
        bail!(
            "{}: there is no qmail-send in it; adopt takes the home of an installed qmail, such as /var/qmail, and `quail setup` makes a new one",
            bin.display()
        );
    }
    if bin.join("quail").exists() {
        let back = match place.at("bin.original").is_dir() {
            true => "; --undo gives it back",
            false => "; `quail setup` brings it up to date",
        };
        bail!("{} is Quail's already{back}", place.home.display());
    }
    let mut remarks = origin::remarks(place, keep);
    remarks.extend(queue_survey::remarks(place));
    remarks.extend(supervisor::remarks(place));
    remarks.extend(scripts::remarks(place));
    remarks.extend(controls::remarks(place));
    remarks.extend(differences::remarks());
    remarks.extend(home(place));
    Ok(Survey { remarks })
}

/// The home is compiled into the setuid program.
fn home(place: &Place) -> Option<Remark> {
    use crate::place::People;
    let usual = std::path::Path::new(os::home::DEFAULT_HOME);
    let same =
        place.home.canonicalize().is_ok_and(|home| usual.canonicalize().is_ok_and(|usual| usual == home));
    let private = place.people == People::Caller && place.home == os::home::home();
    (!same && !private).then(|| {
        let words = format!(
            "is not {0}: setuid qmail-queue looks nowhere else; move it there, or make {0} a link to it, and say so in the run scripts",
            usual.display()
        );
        Remark::new(Standing::Blocks, place.home.display().to_string(), words)
    })
}

impl Survey {
    /// Prints it.
    pub fn tell(&self) {
        for (standing, heading) in STANDINGS {
            let mut remarks = self.remarks.iter().filter(|r| r.standing == standing).peekable();
            if remarks.peek().is_none() {
                continue;
            }
            title(heading);
            for remark in remarks {
                say(&format!("  {}: {}", remark.about, remark.words));
            }
        }
    }
}
