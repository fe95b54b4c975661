//! Failures told so far: `bounce/ID`.

use crate::{
    disk::{Disk, absent_is_fine, unlink_if_present},
    store::Queue,
};
use contracts::QueueId;
use std::io;

impl<D: Disk> Queue<D> {
    /// Appends a paragraph and returns when it is on stable storage. Only then may the recipient be marked: otherwise
    /// a crash could forget the failure and remember the mark (D4).
    pub fn append_bounce(&self, id: QueueId, text: &[u8]) -> io::Result<()> {
        let name = self.layout.bounce(id);
        let file = self.disk.open_append(&name)?;
        self.disk.append(&file, text)?;
        self.disk.sync(&file)?;
        self.sync_directory("bounce")
    }

    /// Opens the text for a bounce message; `None` when nothing has failed.
    pub fn open_bounce(&self, id: QueueId) -> io::Result<Option<D::File>> {
        absent_is_fine(self.disk.open(&self.layout.bounce(id)))
    }

    /// Removes the text once its bounce is in the queue; fine when it is gone.
    pub fn remove_bounce(&self, id: QueueId) -> io::Result<()> {
        unlink_if_present(&self.disk, &self.layout.bounce(id))
    }
}
