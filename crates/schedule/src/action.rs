//! All that the machine can ask for. The loop carries actions out in the order given; those that touch one
//! message on disk never overtake each other.

use std::sync::Arc;

use contracts::QueueId;
use contracts::clean::CleanRequest;
use contracts::spawn::Outcome;

use crate::{Channel, Seconds, Slot};

/// Something to do.
#[derive(Clone, Debug)]
pub enum Action {
    /// Say so in the log.
    Log(Note),
    /// Look for names in `todo`, a bounded piece.
    ScanTodo {
        /// From the beginning, not where the last piece ended.
        restart: bool,
    },
    /// Look for messages in `info`, a bounded piece; the first comes from the beginning.
    ScanInfo,
    /// Look for forgotten message files, a bounded piece.
    Sweep {
        /// From the beginning.
        restart: bool,
    },
    /// Look once more at the files of one message that could not be examined.
    Examine(QueueId),
    /// Read `todo/ID`; with many recipients also write info and channel files and sync them.
    ReadTodo(QueueId),
    /// Write and sync info and channel files of a message that was attempted from S4.
    Settle {
        /// The message.
        id: QueueId,
        /// For the info file.
        sender: Arc<[u8]>,
        /// For the channel files, in their order there. None for a channel that is finished.
        recipients: [Vec<Arc<[u8]>>; 2],
        /// Modification time of the info file.
        birth: Seconds,
    },
    /// Read recipients.
    Open {
        /// The message.
        id: QueueId,
        /// Which file.
        channel: Channel,
        /// From where.
        offset: u64,
    },
    /// Hand a delivery to the spawner.
    Deliver {
        /// Which spawner.
        channel: Channel,
        /// Under which number it reports.
        slot: Slot,
        /// The message.
        id: QueueId,
        /// Envelope sender, VERP not yet expanded.
        sender: Arc<[u8]>,
        /// To whom.
        recipient: Arc<[u8]>,
    },
    /// Add the failure to `bounce/ID` and sync it; then mark the recipient as finished.
    Record {
        /// The message.
        id: QueueId,
        /// Which file.
        channel: Channel,
        /// Where the record begins.
        offset: u64,
        /// Not for a recipient that was delivered.
        failure: Option<Failure>,
    },
    /// All recipients are finished: remove the channel file.
    CloseChannel(QueueId, Channel),
    /// All channels are finished: remove the info file, unless there is something to bounce.
    Bury(QueueId),
    /// Send the bounce, remove bounce file and info file.
    Bounce(QueueId),
    /// Ask `qmail-clean`.
    Clean(CleanRequest),
    /// `qmail-clean` has set a message aside: set aside what is ours of it. Nobody waits for an answer.
    SetAside(QueueId),
    /// Write the next attempt of each waiting message into the times of its channel file.
    SaveTimes(Vec<(QueueId, Channel, Seconds)>),
    /// Leave, with exit code 0.
    Exit,
}

/// A recipient that will get nothing, for the bounce.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// As queued.
    pub recipient: Arc<[u8]>,
    /// Why.
    pub text: Arc<[u8]>,
}

/// A line for the log whose moment the machine decides. Lines about system errors come from where the error is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Note {
    /// Deliveries in flight and slots, local and remote.
    Status {
        /// In flight.
        used: [usize; 2],
        /// Slots.
        of: [usize; 2],
        /// `exitasap`.
        stopping: bool,
    },
    /// A delivery begins.
    Starting {
        /// Counted from 1 since start.
        number: u64,
        /// The message.
        id: QueueId,
        /// Where to.
        channel: Channel,
        /// To whom.
        recipient: Arc<[u8]>,
    },
    /// A delivery has ended.
    Ended {
        /// As it was counted.
        number: u64,
        /// How; a deferral of a message that is too old is a failure.
        outcome: Outcome,
        /// Why.
        text: Arc<[u8]>,
    },
    /// A spawner reports a delivery that it has not been given.
    OutOfRange,
    /// A channel file cannot be read beyond some record.
    UnknownRecord(QueueId, Channel),
    /// Nothing is left of the message but its file.
    MessageEnded(QueueId),
    /// An envelope that nobody can read has been moved out of the way.
    SetAside(QueueId),
    /// The last line.
    Exiting,
}
