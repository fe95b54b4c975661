//! Notes when files appear in Maildirs.

use super::arrivals::{Arrival, Arrivals, What};
use crate::moment::Moment;
use anyhow::{Context, Result};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Watches some Maildirs until the process ends. A directory that appears later is found on its first message by
/// whoever makes it: servers that do so get one message before.
pub fn watch(maildirs: &[PathBuf]) -> Result<Arrivals> {
    let arrivals = Arrivals::default();
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC)?;
    let mut places = HashMap::new();
    for maildir in maildirs {
        let new = maildir.join("new");
        let flags = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO;
        let id = inotify.add_watch(&new, flags).with_context(|| format!("cannot watch {}", new.display()))?;
        places.insert(id, new);
    }
    let list = arrivals.clone();
    std::thread::spawn(move || follow(&inotify, &places, &list));
    Ok(arrivals)
}

fn follow(inotify: &Inotify, places: &HashMap<WatchDescriptor, PathBuf>, list: &Arrivals) {
    while let Ok(events) = inotify.read_events() {
        let at = Moment::now();
        list.note(events.into_iter().filter_map(|event| {
            let path = places.get(&event.wd)?.join(event.name?);
            Some(Arrival { what: What::File(path), at })
        }));
    }
}

/// Reads the number of a delivered message and removes it.
pub fn collect(path: &Path) -> Option<u64> {
    use std::io::Read;
    let mut beginning = Vec::new();
    let file = std::fs::File::open(path).ok()?;
    file.take(8 * 1024).read_to_end(&mut beginning).ok()?;
    let _ = std::fs::remove_file(path);
    super::text::number_in(&beginning)
}
