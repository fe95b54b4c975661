//! Whether the system runs, whether it would hear of new mail, and whether programs find it.

use super::finding::Finding;
use crate::place::{People, Place};
use crate::setup::service::{is_running, is_systemd};
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

pub(super) fn findings(place: &Place) -> Vec<Finding> {
    let mut found = Vec::new();
    let trigger = place.at("queue/lock/trigger");
    // A pipe that nobody reads cannot be opened for writing without waiting.
    if let Err(nix::errno::Errno::ENXIO) = open(&trigger, OFlag::O_WRONLY | OFlag::O_NONBLOCK, Mode::empty())
    {
        let mend = match is_systemd(place) {
            true => "systemctl start quail".to_owned(),
            false => format!("[have your supervisor run {}]", place.at("rc").display()),
        };
        found.push(Finding::note(&trigger, "qmail-send does not run, mail waits", "running", mend));
    } else if !is_running(place) && place.at("run").is_dir() {
        found.push(Finding::note(
            &place.at("run/queue"),
            "nobody answers; each message starts a qmail-queue of its own",
            "answered by qmail-queued",
            "[start with quail-start, or live with it: it is only slower]",
        ));
    }
    if place.people == People::Accounts {
        found.extend(sendmail(place));
    }
    found.extend(set_aside(place));
    found
}

fn sendmail(place: &Place) -> Option<Finding> {
    let path = place.outside("/usr/sbin/sendmail");
    let ours = place.at("bin/sendmail").canonicalize().ok()?;
    match path.canonicalize() {
        Ok(found) if found == ours => None,
        Ok(found) => {
            let is = format!("{}, another mail system's", found.display());
            Some(Finding::note(&path, is, ours.display().to_string(), "quail setup"))
        }
        Err(_) => {
            Some(Finding::note(&path, "missing", format!("a link to {}", ours.display()), "quail setup"))
        }
    }
}

/// Entries that nobody could read wait for a person.
fn set_aside(place: &Place) -> Option<Finding> {
    let path = place.at("queue/quarantine");
    let count = path.read_dir().ok()?.count();
    (count > 0).then(|| {
        Finding::fault(
            &path,
            format!("{count} files of messages that could not be read"),
            "empty",
            "[look at them; what is there is mail that was accepted]",
        )
    })
}
