//! `quail adopt --undo`: the original's programs in their places again, with every message.

use super::classic_form;
use super::keeping::Keeping;
use super::supervisor::Manager;
use crate::page::{complain, say, title};
use crate::place::Place;
use anyhow::Result;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long those that end with qmail-send may take.
const LAST_MOMENT: Duration = Duration::from_secs(5);

/// Gives the host back.
pub(super) fn run(place: &Place) -> Result<()> {
    title(&format!("Giving {} back", place.home.display()));
    let keeping = Keeping::open(place)?;
    keeping.verify()?;
    let manager = Manager::find(place);
    manager.stop()?;
    keeping.put_back()?;
    say("  the original's programs are in their places");
    keeping.end()?;
    ours_away(place);
    let queue = classic_form::look(place);
    if queue.odd.is_empty() {
        say(&format!("  {} messages wait; every file of theirs is in the original's form", queue.messages));
    } else {
        say(&format!("  {} messages wait; the original cannot read these files:", queue.messages));
        for line in &queue.odd {
            complain(&format!("    {line}"));
        }
    }
    if queue.set_aside > 0 {
        let path = place.at("queue/quarantine");
        say(&format!(
            "  {} files lie in {}: nobody could read them; they stay",
            queue.set_aside,
            path.display()
        ));
    }
    manager.start()?;
    say("\nThe host is the original's again.");
    Ok(())
}

/// What our programs have made for themselves, where it is empty or a dead socket.
fn ours_away(place: &Place) {
    for entry in place.at("run").read_dir().into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_socket()) && falls_silent(&entry.path()) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
    for path in ["run", "queue/quarantine"] {
        // One with something in it stays.
        let _ = std::fs::remove_dir(place.at(path));
    }
}

/// Whether nobody listens any more; who does ends with qmail-send, a moment after it.
fn falls_silent(socket: &Path) -> bool {
    let end = Instant::now() + LAST_MOMENT;
    loop {
        if UnixStream::connect(socket).is_err() {
            return true;
        }
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
