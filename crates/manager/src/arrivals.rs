//! New mail: reading `todo/ID`, and the move to S5 (contract 4.4 B).

use std::io;
use std::sync::Arc;

use address::route::Routing;
use queue::preprocessed::Preprocessed;
use queue::todo::{TodoEntry, TodoError};
use queue::{Queue, QueueId};
use schedule::{Channel, Event, Todo};
use telemetry::Line;

use crate::pool::Pool;
use crate::work::{Done, Kind, Results, Synced, seconds, warning};

/// What became of reading an envelope.
#[derive(Debug)]
pub(crate) enum Reading {
    /// Here it is.
    Done(Done),
    /// With several recipients S5 is written first: the threads that sync have it.
    Passed,
    /// Not without waiting for the disk.
    WouldWait,
}

/// Reads an envelope, which may take its time.
pub(crate) fn read_todo(
    queue: &Queue,
    results: &Results,
    synced: &Pool<Synced>,
    id: QueueId,
    routing: &Routing,
) {
    match read(queue, synced, id, routing) {
        Reading::Done(done) => results.push(done),
        Reading::Passed => {}
        // No disk that waits says so; were it to, there is a later.
        Reading::WouldWait => results.send(Vec::new(), Event::Todo(id, Todo::Trouble)),
    }
}

/// Reads an envelope that has just been written and is still in memory, as it is for almost all new mail: then the
/// loop does it by itself, since to wake a thread and be woken by it takes longer. `queue` does nothing that waits.
pub(crate) fn read_at_once(queue: &Queue, synced: &Pool<Synced>, id: QueueId, routing: &Routing) -> Reading {
    // Nothing is removed on this disk; it only says whether there is anything to remove.
    if remove_stale(queue, id).is_err() {
        return Reading::WouldWait;
    }
    let reading = read(queue, synced, id, routing);
    match &reading {
        Reading::Done(Done { event: Event::Todo(_, Todo::Single { .. }), .. }) | Reading::Passed => reading,
        // Anything out of the ordinary is looked at again, with patience.
        Reading::Done(_) | Reading::WouldWait => Reading::WouldWait,
    }
}

/// With one recipient the answer is there at once; with several, S5 is written first.
fn read(queue: &Queue, synced: &Pool<Synced>, id: QueueId, routing: &Routing) -> Reading {
    let layout = queue.layout();
    let answer = |log, todo| Reading::Done(Done { log, event: Event::Todo(id, todo), kind: Kind::Plain });
    let entry = match queue.read_todo(id) {
        Ok(entry) => entry,
        Err(TodoError::Gone) => return answer(Vec::new(), Todo::Gone),
        Err(TodoError::NoMessage) => {
            return answer(warning("unable to stat ", &layout.message(id), ""), Todo::NoMessage);
        }
        Err(TodoError::Broken(_)) => {
            return answer(warning("unknown record type in ", &layout.envelope(id), ""), Todo::Broken);
        }
        Err(TodoError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return Reading::WouldWait,
        Err(TodoError::Io(_)) => {
            return answer(warning("trouble reading ", &layout.envelope(id), ""), Todo::Trouble);
        }
    };
    let log = announce(&entry);
    let kind = if looks_like_our_bounce(&entry) { Kind::BounceArrived } else { Kind::Plain };
    if entry.recipient_count() != 1 {
        let mut message = Preprocessed::new(id, entry.sender(), entry.birth);
        for recipient in entry.recipients() {
            let (channel, address) = routing.route(recipient);
            message.add(channel, &address);
        }
        synced.push(Synced::Preprocess { message, log, kind });
        return Reading::Passed;
    }
    // A crash may have left files of a try that did not get to S5; beside a todo file they mean nothing.
    match remove_stale(queue, id) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Reading::WouldWait,
        Err(_) => {
            let trouble = warning("unable to unlink ", &layout.info(id), "; will try again later");
            return answer([log, trouble].concat(), Todo::Trouble);
        }
    }
    let (channel, recipient) = routing.route(entry.recipients().next().unwrap_or_default());
    let todo = Todo::Single {
        channel,
        sender: Arc::from(entry.sender()),
        recipient: recipient.into(),
        birth: seconds(entry.birth),
    };
    Reading::Done(Done { log, event: Event::Todo(id, todo), kind })
}

fn announce(entry: &TodoEntry) -> Vec<u8> {
    let mut log = Line::NewMessage(entry.id.0).to_bytes();
    let (id, bytes, sender) = (entry.id.0, entry.size_bytes, entry.sender());
    Line::Info { id, bytes, sender, qp: entry.qp, uid: entry.uid }.append_to(&mut log);
    log
}

fn looks_like_our_bounce(entry: &TodoEntry) -> bool {
    let null = matches!(entry.sender(), b"" | b"#@[]");
    null && entry.uid == u64::from(nix::unistd::getuid().as_raw())
}

fn remove_stale(queue: &Queue, id: QueueId) -> io::Result<()> {
    for channel in Channel::BOTH {
        queue.remove_channel(id, channel)?;
    }
    queue.remove_info(id)
}

/// A message on its way to S5, and, if it has just been read, what the log is told of it.
pub(crate) type Arriving = (Preprocessed, Option<(Vec<u8>, Kind)>);

/// Writes S5 of a batch of messages, those just read (with their log lines) and those attempted from S4.
pub(crate) fn write(queue: &Queue, results: &Results, batch: Vec<Arriving>) {
    let (messages, reads): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
    let written = queue.write_preprocessed(&messages);
    for ((message, read), result) in messages.iter().zip(reads).zip(written) {
        let id = message.id;
        let trouble = match &result {
            Ok(()) => Vec::new(),
            Err(_) => {
                // Half of S5 is nothing. What stays, the next try removes.
                let _ = remove_stale(queue, id);
                warning("trouble writing to ", &queue.layout().info(id), "")
            }
        };
        match read {
            Some((log, kind)) => {
                let todo = match result {
                    Ok(()) => Todo::Settled { channels: Channel::BOTH.map(|channel| message.has(channel)) },
                    Err(_) => Todo::Trouble,
                };
                results.send_as(kind, [log, trouble].concat(), Event::Todo(id, todo));
            }
            None => results.send(trouble, Event::Settled(id, result.is_ok())),
        }
    }
}
