//! The three addresses that every host must have: postmaster, mailer-daemon and root.

use super::step::Step;
use super::tree::give;
use crate::place::{Place, quoted};
use std::path::PathBuf;

/// What makes the missing ones. Mail for root goes to `administrator`, or into a Maildir of the account alias: nothing
/// is ever delivered as root.
pub fn steps(place: &Place, administrator: Option<&str>) -> Vec<Step> {
    let alias = place.at("alias");
    // One rule for every address that no file names: the administrator has decided already.
    if alias.join(".qmail-default").exists() {
        return Vec::new();
    }
    let root = match administrator {
        Some(address) => format!("&{address}\n"),
        None => "./Maildir/\n".to_owned(),
    };
    let mut steps = Vec::new();
    for (name, content) in [("root", root.as_str()), ("postmaster", "&root\n"), ("mailer-daemon", "&root\n")]
    {
        let path = alias.join(format!(".qmail-{name}"));
        if path.symlink_metadata().is_ok() {
            continue;
        }
        let does = format!("write {}: mail for {name} goes to {}", path.display(), content.trim_end());
        steps.push(Step::file(does, path, content.to_owned(), 0o644));
        if content == "./Maildir/\n" && !alias.join("Maildir").exists() {
            steps.push(maildir(place, alias.join("Maildir")));
        }
    }
    steps
}

/// Makes a Maildir that belongs to the account alias.
pub fn maildir(place: &Place, path: PathBuf) -> Step {
    let people = place.people;
    let word = quoted(&path);
    let undo = format!("rmdir {word}/tmp {word}/new {word}/cur {word} 2>/dev/null");
    Step::new(format!("make the Maildir {}", path.display()), Some(undo), move || {
        for part in ["", "tmp", "new", "cur"] {
            let part = if part.is_empty() { path.clone() } else { path.join(part) };
            std::fs::create_dir(&part)?;
            give(people, &part, "alias", 0o700)?;
        }
        Ok(())
    })
}
