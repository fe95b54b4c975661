//! New mail: reading `todo/ID`, and the move to S5 (contract 4.4 B).

use std::io;
use std::sync::Arc;

use address::route::Routing;
use queue::preprocessed::Preprocessed;
use queue::todo::{TodoEntry, TodoError};
use queue::{Queue, QueueId};
use schedule::{Channel, Event, Recipient, Todo};
use telemetry::Line;

use crate::pool::Pool;
use crate::work::{Done, Kind, Results, Synced, seconds, warning};

/// What became of reading an envelope.
#[derive(Debug)]
pub(crate) enum Reading {
    /// Here it is.
    Done(Done),
    /// With many recipients S5 is written first: the threads that sync have it.
    Passed,
    /// Not without waiting for the disk.
    WouldWait,
}

/// Recipients up to so many are attempted from `todo`; with more, S5 is written first. A killed qmail-send repeats so many
/// deliveries of one message at most, so it is no more than a default channel carries at once (decision 31).
const FEW_MAX: usize = 10;

/// An envelope to read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct New {
    pub(crate) id: QueueId,
    /// Whether a crash may have left files of S5 beside it.
    pub(crate) stale: bool,
}

/// Reads an envelope, which may take its time.
pub(crate) fn read_todo(
    queue: &Queue,
    results: &Results,
    synced: &Pool<Synced>,
    new: New,
    routing: &Routing,
) {
    match read(queue, synced, new, routing) {
        Reading::Done(done) => {
            if matches!(done.event, Event::Todo(_, Todo::Trouble)) {
                results.doubt();
            }
            results.push(done);
        }
        Reading::Passed => {}
        // No disk that waits says so; were it to, there is a later.
        Reading::WouldWait => results.send(Vec::new(), Event::Todo(new.id, Todo::Trouble)),
    }
}

/// Reads an envelope that has just been written and is still in memory, as it is for almost all new mail: then the
/// loop does it by itself, since to wake a thread and be woken by it takes longer. `queue` does nothing that waits.
pub(crate) fn read_at_once(queue: &Queue, synced: &Pool<Synced>, new: New, routing: &Routing) -> Reading {
    let reading = read(queue, synced, new, routing);
    match &reading {
        Reading::Done(Done { event: Event::Todo(_, Todo::Few { .. }), .. }) | Reading::Passed => reading,
        // Anything out of the ordinary is looked at again, with patience.
        Reading::Done(_) | Reading::WouldWait => Reading::WouldWait,
    }
}

/// With a few recipients the answer is there at once; with many, S5 is written first.
fn read(queue: &Queue, synced: &Pool<Synced>, new: New, routing: &Routing) -> Reading {
    let (layout, id) = (queue.layout(), new.id);
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
    if !(1..=FEW_MAX).contains(&entry.recipient_count()) {
        let mut message = Preprocessed::new(id, entry.sender(), entry.birth);
        for recipient in entry.recipients() {
            let (channel, address) = routing.route(recipient);
            message.add(channel, &address);
        }
        synced.push(Synced::Preprocess { message, log, kind });
        return Reading::Passed;
    }
    // A crash may have left files of a try that did not get to S5; beside a todo file they mean nothing.
    match new.stale.then(|| remove_stale(queue, id)) {
        None | Some(Ok(())) => {}
        Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => return Reading::WouldWait,
        Some(Err(_)) => {
            let trouble = warning("unable to unlink ", &layout.info(id), "; will try again later");
            return answer([log, trouble].concat(), Todo::Trouble);
        }
    }
    let (mut recipients, mut lengths) = (<[Vec<Recipient>; 2]>::default(), [0u64; 2]);
    for recipient in entry.recipients() {
        let (channel, address) = routing.route(recipient);
        let at = usize::from(channel == Channel::Remote);
        if let (Some(recipients), Some(length)) = (recipients.get_mut(at), lengths.get_mut(at)) {
            let record = Preprocessed::record_bytes(&address);
            recipients.push(Recipient { offset: *length, address: address.into() });
            *length = length.saturating_add(record);
        }
    }
    let todo = Todo::Few { sender: Arc::from(entry.sender()), recipients, birth: seconds(entry.birth) };
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
                if remove_stale(queue, id).is_err() {
                    results.doubt();
                }
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
