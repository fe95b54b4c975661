//! Walks over directories, in bounded pieces: `todo` for what no hint named, `info` at start, `mess` for what crashes
//! left. And the times written at a clean stop.

use queue::scan::Scan;
use queue::{Queue, QueueId};
use schedule::{Channel, Event, Found};
use telemetry::Line;

use crate::work::{Results, Walk, seconds, warning};

/// Names in one piece of a walk over `todo`.
const TODO_PIECE: usize = 1000;
/// Messages of `info` examined in one piece.
const INFO_PIECE: usize = 500;
/// Messages of `mess` examined in one piece.
const SWEEP_PIECE: usize = 200;

/// Where the walks stand.
#[derive(Default, Debug)]
pub(crate) struct Walks {
    todo: Option<Scan>,
    info: Option<Scan>,
    messages: Option<Scan>,
}

impl Walks {
    /// Does one piece.
    pub(crate) fn step(&mut self, queue: &Queue, results: &Results, walk: Walk) {
        match walk {
            Walk::Todo { restart } => self.todo(queue, results, restart),
            Walk::Info => self.info(queue, results),
            Walk::Messages { restart, now } => self.messages(queue, results, restart, now),
            Walk::SaveTimes(times) => save_times(queue, results, times),
        }
    }

    fn todo(&mut self, queue: &Queue, results: &Results, restart: bool) {
        if restart {
            self.todo = None;
        }
        let scan = self.todo.get_or_insert_with(|| queue.scan_todo());
        let (log, ids) = match scan.next(queue, TODO_PIECE) {
            Ok(ids) => (Vec::new(), ids),
            Err(_) => (Line::Opendir("todo").to_bytes(), Vec::new()),
        };
        let end = ids.len() < TODO_PIECE;
        if end {
            self.todo = None;
        }
        results.send(log, Event::TodoFound { ids, end });
    }

    fn info(&mut self, queue: &Queue, results: &Results) {
        let scan = self.info.get_or_insert_with(|| queue.scan_info());
        let (mut log, mut end, mut found) = (Vec::new(), false, Vec::new());
        match scan.next(queue, INFO_PIECE) {
            Ok(ids) => {
                end = ids.len() < INFO_PIECE;
                found.extend(ids.into_iter().filter_map(|id| examine(queue, id, &mut log)));
            }
            // The walk goes on behind that directory.
            Err(_) => log = Line::Opendir("info").to_bytes(),
        }
        if end {
            self.info = None;
        }
        results.send(log, Event::InfoFound { found, end });
    }

    fn messages(&mut self, queue: &Queue, results: &Results, restart: bool, now: u64) {
        if restart {
            self.messages = None;
        }
        let walk = self.messages.get_or_insert_with(|| queue.scan_messages());
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let (log, orphans, end) = match queue.sweep(walk, SWEEP_PIECE, now) {
            Ok(Some(orphans)) => (Vec::new(), orphans, false),
            Ok(None) => (Vec::new(), Vec::new(), true),
            Err(_) => (Line::Opendir("mess").to_bytes(), Vec::new(), true),
        };
        if end {
            self.messages = None;
        }
        results.send(log, Event::Swept { orphans, end });
    }
}

/// What there is of a message of `info`. One that still has its `todo` file is not there yet.
pub(crate) fn examine(queue: &Queue, id: QueueId, log: &mut Vec<u8>) -> Option<Found> {
    let layout = queue.layout();
    let mut trouble = |file: String| {
        log.extend(warning("unable to stat ", &file, "; will try again later"));
        Some(Found::Trouble(id))
    };
    match queue.stat_todo(id) {
        Ok(None) => {}
        Ok(Some(_)) => return None,
        Err(_) => return trouble(layout.envelope(id)),
    }
    let mut due = [None; 2];
    for (due, channel) in due.iter_mut().zip(Channel::BOTH) {
        match queue.stat_channel(id, channel) {
            Ok(stat) => *due = stat.map(|stat| seconds(stat.modified)),
            Err(_) => return trouble(layout.channel(channel, id)),
        }
    }
    Some(Found::Message { id, due })
}

/// Writes down when each waiting message is to be tried next.
fn save_times(queue: &Queue, results: &Results, times: Vec<(QueueId, Channel, u64)>) {
    let mut log = Vec::new();
    for (id, channel, due) in times {
        let due = i64::try_from(due).unwrap_or(i64::MAX);
        if queue.set_next_attempt(id, channel, due).is_err() {
            let file = queue.layout().channel(channel, id);
            log.extend(warning("unable to utime ", &file, "; message will be retried too soon"));
        }
    }
    results.send(log, Event::TimesSaved);
}
