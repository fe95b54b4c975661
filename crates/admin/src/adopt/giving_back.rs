//! `quail adopt --undo`: the original's programs in their places again, with every message.

use super::classic_form;
use super::keeping::Keeping;
use super::supervisor::Manager;
use crate::page::{complain, say, title};
use crate::place::Place;
use anyhow::Result;

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
    let socket = place.at("run/queue");
    if std::os::unix::net::UnixStream::connect(&socket).is_err() {
        let _ = std::fs::remove_file(socket);
    }
    for path in ["run", "queue/quarantine"] {
        // One with something in it stays.
        let _ = std::fs::remove_dir(place.at(path));
    }
}
