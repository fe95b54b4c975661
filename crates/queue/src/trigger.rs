//! Telling `qmail-send` that there is a new message (contract 5.5).

use contracts::QueueId;
use nix::fcntl::OFlag;
use std::{fs::OpenOptions, io::Write, os::unix::fs::OpenOptionsExt, path::Path};

/// Writes the message's number into the FIFO `lock/trigger` of the queue directory. All errors are ignored: without a
/// reader, or with a full FIFO, `qmail-send` will look into `todo` anyway.
///
/// The FIFO is opened anew each time: an original `qmail-send`, which never reads it, empties it by being the only
/// one that holds it open.
pub fn pull(queue: &Path, id: QueueId) {
    let fifo = OpenOptions::new()
        .write(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(queue.join("lock/trigger"));
    if let Ok(mut fifo) = fifo {
        let _ = fifo.write(&contracts::trigger::encode(id));
    }
}
