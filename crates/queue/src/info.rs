//! The sender and the arrival time of a preprocessed message: `info/ID`, and the message it belongs to.

use crate::{
    Channel,
    channel::ReadError,
    disk::{Disk, Stat, absent_is_fine, unlink_if_present},
    store::Queue,
};
use contracts::{QueueId, envelope};
use std::io;

/// The longest info file that is looked at.
const INFO_MAX_BYTES: u64 = 64 * 1024;

/// What `info/ID` says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Info {
    /// The envelope sender.
    pub sender: Vec<u8>,
    /// Arrival, seconds since 1970. Administrators touch the file to extend a message's life, so it is read anew for
    /// each pass.
    pub birth: i64,
}

impl<D: Disk> Queue<D> {
    /// Reads `info/ID`.
    pub fn read_info(&self, id: QueueId) -> Result<Info, ReadError> {
        let file = absent_is_fine(self.disk.open(&self.layout.info(id)))?.ok_or(ReadError::Gone)?;
        let stat = self.disk.stat_open(&file)?;
        let bytes = self.read_whole(&file, stat.size_bytes.min(INFO_MAX_BYTES))?;
        let sender = envelope::decode_info(&bytes).ok_or(ReadError::Broken("no sender"))?.to_vec();
        Ok(Info { sender, birth: stat.modified })
    }

    /// Removes `info/ID`, after which the message is nobody's (S2) until `qmail-clean` removes it; fine when it is
    /// gone.
    pub fn remove_info(&self, id: QueueId) -> io::Result<()> {
        unlink_if_present(&self.disk, &self.layout.info(id))
    }

    /// Looks at `info/ID`; `None` when there is none. Its `modified` is the arrival time.
    pub fn stat_info(&self, id: QueueId) -> io::Result<Option<Stat>> {
        absent_is_fine(self.disk.stat(&self.layout.info(id)))
    }

    /// Looks at a channel file; `None` when there is none. Its `modified` is the time of the next attempt.
    pub fn stat_channel(&self, id: QueueId, channel: Channel) -> io::Result<Option<Stat>> {
        absent_is_fine(self.disk.stat(&self.layout.channel(channel, id)))
    }

    /// Looks at `todo/ID`; `None` when there is none.
    pub fn stat_todo(&self, id: QueueId) -> io::Result<Option<Stat>> {
        for name in self.layout.envelopes(id) {
            if let Some(stat) = absent_is_fine(self.disk.stat(&name))? {
                return Ok(Some(stat));
            }
        }
        Ok(None)
    }

    /// Looks at `bounce/ID`; `None` when there is none.
    pub fn stat_bounce(&self, id: QueueId) -> io::Result<Option<Stat>> {
        absent_is_fine(self.disk.stat(&self.layout.bounce(id)))
    }

    /// Writes down when a channel is to be tried next, for the time after a restart.
    pub fn set_next_attempt(&self, id: QueueId, channel: Channel, seconds: i64) -> io::Result<()> {
        self.disk.set_times(&self.layout.channel(channel, id), seconds)
    }

    /// Opens the message for reading.
    pub fn open_message(&self, id: QueueId) -> io::Result<D::File> {
        self.disk.open(&self.layout.message(id))
    }
}
