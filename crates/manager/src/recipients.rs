//! Recipients on disk: read for a pass, marked when finished, their failures written down (contract 4.4 C).

use std::sync::Arc;

use queue::channel::ReadError;
use queue::{Queue, QueueId};
use schedule::{Channel, Event, Piece, Recipient, Then, Unrecorded};

use crate::work::{NewFailure, Results, seconds, warning};

/// Recipients of one piece.
const PIECE_RECIPIENTS: usize = 100;

/// Reads a piece of a channel file, and the info file each time, since administrators may touch it.
pub(crate) fn open(queue: &Queue, results: &Results, id: QueueId, channel: Channel, offset: u64) {
    let mut log = Vec::new();
    let piece = read(queue, id, channel, offset, &mut log);
    results.send(log, Event::Piece(id, channel, piece));
}

fn read(queue: &Queue, id: QueueId, channel: Channel, offset: u64, log: &mut Vec<u8>) -> Piece {
    let layout = queue.layout();
    let info = match queue.read_info(id) {
        Ok(info) => info,
        Err(error) => {
            let file = layout.info(id);
            if matches!(error, ReadError::Gone) && matches!(queue.stat_channel(id, channel), Ok(None)) {
                return Piece::Gone;
            }
            log.extend(warning("trouble reading ", &file, "; will try again later"));
            return if matches!(error, ReadError::Broken(_)) { Piece::Broken } else { Piece::Trouble };
        }
    };
    let (found, then) = match recipients(queue, id, channel, offset) {
        Ok(found) => found,
        Err(ReadError::Gone) => (Vec::new(), Then::End),
        Err(_) => {
            let file = layout.channel(channel, id);
            log.extend(warning("trouble opening ", &file, "; will try again later"));
            return Piece::Trouble;
        }
    };
    let recipients = found
        .into_iter()
        .filter(|recipient| !recipient.done)
        .map(|recipient| Recipient { offset: recipient.offset, address: recipient.address.into() })
        .collect();
    Piece::Read { sender: Arc::from(info.sender), birth: seconds(info.birth), recipients, then }
}

/// A piece; before a record of unknown type, what can be read is read.
fn recipients(
    queue: &Queue,
    id: QueueId,
    channel: Channel,
    offset: u64,
) -> Result<(Vec<queue::channel::Recipient>, Then), ReadError> {
    match queue.read_channel(id, channel, offset, PIECE_RECIPIENTS) {
        Ok(piece) => {
            let then = if piece.at_end { Then::End } else { Then::More(piece.next_offset) };
            Ok((piece.recipients, then))
        }
        Err(ReadError::Broken(_)) => {
            let (mut found, mut offset) = (Vec::new(), offset);
            while found.len() < PIECE_RECIPIENTS {
                match queue.read_channel(id, channel, offset, 1) {
                    Ok(piece) => {
                        offset = piece.next_offset;
                        found.extend(piece.recipients);
                    }
                    Err(ReadError::Broken(_)) => return Ok((found, Then::Broken)),
                    Err(error) => return Err(error),
                }
            }
            Ok((found, Then::More(offset)))
        }
        Err(error) => Err(error),
    }
}

/// Marks recipients as finished. What cannot be marked is delivered twice, no more.
pub(crate) fn mark(queue: &Queue, results: &Results, id: QueueId, channel: Channel, offsets: &[u64]) {
    let mut log = marked(queue, id, channel, offsets);
    for _ in offsets {
        results.send(std::mem::take(&mut log), Event::Recorded(id, channel, Ok(())));
    }
}

fn marked(queue: &Queue, id: QueueId, channel: Channel, offsets: &[u64]) -> Vec<u8> {
    match offsets.iter().try_for_each(|&offset| queue.mark_done(id, channel, offset)) {
        Ok(()) => Vec::new(),
        Err(_) => {
            let file = queue.layout().channel(channel, id);
            warning("trouble marking ", &file, "; message will be delivered twice!")
        }
    }
}

/// Adds failures to the bounce of a message, durably, and then marks the recipients (D4).
pub(crate) fn record_failures(queue: &Queue, results: &Results, id: QueueId, failures: Vec<NewFailure>) {
    let mut paragraphs = Vec::new();
    for NewFailure { failure, routing, .. } in &failures {
        let shown = routing.without_virtual_prefix(&failure.recipient);
        paragraphs.extend(message::bounce::paragraph(shown, &failure.text));
    }
    let written = queue.append_bounce(id, &paragraphs).is_ok();
    for NewFailure { channel, offset, failure, .. } in failures {
        if written {
            results.send(marked(queue, id, channel, &[offset]), Event::Recorded(id, channel, Ok(())));
        } else {
            let unrecorded = Unrecorded { offset, failure: Some(failure) };
            let log = telemetry::line::BOUNCE_APPEND.to_bytes();
            results.send(log, Event::Recorded(id, channel, Err(unrecorded)));
        }
    }
}

/// Removes a channel file whose recipients are all finished.
pub(crate) fn close(queue: &Queue, results: &Results, id: QueueId, channel: Channel) {
    let result = queue.remove_channel(id, channel);
    let log = match &result {
        Ok(()) => Vec::new(),
        Err(_) => {
            let file = queue.layout().channel(channel, id);
            warning("unable to unlink ", &file, "; will try again later")
        }
    };
    results.send(log, Event::ChannelClosed(id, channel, result.is_ok()));
}
