//! All that can happen to the queue manager. The enum is closed: one screen shows it.
//!
//! Most events answer an [`Action`](crate::Action); the loop owes each of those exactly one answer.

use std::sync::Arc;

use contracts::QueueId;
use contracts::clean::CleanRequest;
use contracts::spawn::Outcome;

use crate::{Channel, Failure, Seconds, Slot};

/// Something happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A writer of the trigger named a message.
    Hint(QueueId),
    /// A writer of the trigger named none.
    ScanWanted,
    /// Names found in `todo`; answers `ScanTodo`.
    TodoFound {
        /// Decimal names only.
        ids: Vec<QueueId>,
        /// The directory is through.
        end: bool,
    },
    /// What `info` holds; answers `ScanInfo` and, with one message, `Examine`.
    InfoFound {
        /// The messages of this piece.
        found: Vec<Found>,
        /// The directories are through.
        end: bool,
    },
    /// Message files that nothing refers to and that nobody has touched for 36 hours; answers `Sweep`.
    Swept {
        /// To be removed.
        orphans: Vec<QueueId>,
        /// The directories are through.
        end: bool,
    },
    /// Answers `ReadTodo`.
    Todo(QueueId, Todo),
    /// Answers `Settle`: whether the files of S5 are on stable storage.
    Settled(QueueId, bool),
    /// Answers `Open`.
    Piece(QueueId, Channel, Piece),
    /// A spawner reports.
    Report {
        /// Whose.
        channel: Channel,
        /// Which delivery.
        slot: Slot,
        /// How it went.
        outcome: Outcome,
        /// Why.
        text: Vec<u8>,
    },
    /// Answers `Record`: done, or what could not be written, to be tried again.
    Recorded(QueueId, Channel, Result<(), Unrecorded>),
    /// Answers `CloseChannel`: whether the channel file is gone.
    ChannelClosed(QueueId, Channel, bool),
    /// Answers `Bury`.
    Buried(QueueId, Burial),
    /// Answers `Bounce`: whether the bounce file and the info file are gone.
    Bounced(QueueId, bool),
    /// Answers `Clean`: whether the files are gone.
    Cleaned(CleanRequest, bool),
    /// Answers `SaveTimes`.
    TimesSaved,
    /// SIGALRM: everything that waits is due.
    Alarm,
    /// SIGTERM: stop when what is in flight has come down.
    Stop,
    /// A spawner is gone.
    SpawnerLost(Channel),
    /// `qmail-clean` is gone.
    CleanLost,
    /// Time went by.
    Tick,
}

/// What was found of one message of `info`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// The channel files that exist, by their modification time, which is when to try next.
    Message {
        /// Its number.
        id: QueueId,
        /// `local`, `remote`.
        due: [Option<Seconds>; 2],
    },
    /// Its files could not be examined.
    Trouble(QueueId),
}

/// What `todo/ID` turned out to be.
#[derive(Clone, Debug)]
pub enum Todo {
    /// One recipient or a few: nothing has been written, the first attempts are made from S4.
    Few {
        /// Envelope sender.
        sender: Arc<[u8]>,
        /// Recipients of each channel, rewritten, each with the offset that its record will have in the channel file.
        recipients: [Vec<Recipient>; 2],
        /// Arrival: modification time of `todo/ID`.
        birth: Seconds,
    },
    /// No recipient or many: info and channel files are on stable storage.
    Settled {
        /// Whether there is a file for `local`, `remote`.
        channels: [bool; 2],
    },
    /// No such file: somebody's idle hint, or a message that has ended since.
    Gone,
    /// Not readable as an envelope; the log has been told. Set aside; where that fails, left alone until an alarm or
    /// a restart (D27).
    Broken,
    /// The envelope has no message; the log has been told. Looked at again by the next scan.
    NoMessage,
    /// A system error; the log has been told.
    Trouble,
}

/// A recipient of a channel file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recipient {
    /// Where its record begins.
    pub offset: u64,
    /// Its address.
    pub address: Arc<[u8]>,
}

/// A stretch of a channel file.
#[derive(Clone, Debug)]
pub enum Piece {
    /// Recipients that are not finished.
    Read {
        /// Envelope sender.
        sender: Arc<[u8]>,
        /// Modification time of the info file.
        birth: Seconds,
        /// In the order of the file.
        recipients: Vec<Recipient>,
        /// What comes after them.
        then: Then,
    },
    /// Neither info nor channel file is there.
    Gone,
    /// The info file has no sender; the log has been told.
    Broken,
    /// A system error; the log has been told.
    Trouble,
}

/// What follows a stretch of a channel file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Then {
    /// More, from this offset.
    More(u64),
    /// The end.
    End,
    /// A record of unknown type: nothing beyond it can be read.
    Broken,
}

/// A result that is not on disk yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unrecorded {
    /// Of the recipient's record.
    pub offset: u64,
    /// What to write into the bounce file.
    pub failure: Option<Failure>,
}

/// How far the end of a message has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Burial {
    /// There was nothing to bounce; the info file is gone.
    Ended,
    /// There is a bounce to send first.
    BounceWaits,
    /// It is not a finished message: nothing was done.
    NotDead,
    /// A system error; the log has been told.
    Trouble,
}
