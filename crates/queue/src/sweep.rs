//! Finding what crashes left behind: message files that nobody will ever claim (contract 4.6).

use crate::{
    disk::{Disk, absent_is_fine},
    scan::Scan,
    store::Queue,
};
use contracts::QueueId;
use std::io;

/// A file that nobody has touched for so long has no living writer.
pub const OLD_SECONDS: i64 = 129_600;

/// True when the newest of a file's times (D24: not only the access time, which many file systems do not keep) is more
/// than 36 hours ago.
pub(crate) fn is_old(newest: i64, now: i64) -> bool {
    now > newest.saturating_add(OLD_SECONDS)
}

impl<D: Disk> Queue<D> {
    /// Looks at up to `count` more messages of a walk begun by [`Queue::scan_messages`] and returns those that are to be
    /// removed (by `qmail-clean`, with `foop`). `None` at the end of the walk.
    ///
    /// `now` must come from a clock that has not just jumped: the caller sweeps only what its own uptime lets it judge.
    pub fn sweep(&self, walk: &mut Scan, count: usize, now: i64) -> io::Result<Option<Vec<QueueId>>> {
        let looked_at = walk.next(self, count)?;
        if looked_at.is_empty() {
            return Ok(None);
        }
        let mut orphans = Vec::new();
        for id in looked_at {
            if self.is_orphan(id, now)? {
                orphans.push(id);
            }
        }
        Ok(Some(orphans))
    }

    fn is_orphan(&self, id: QueueId, now: i64) -> io::Result<bool> {
        let Some(stat) = absent_is_fine(self.disk.stat(&self.layout.message(id)))? else { return Ok(false) };
        Ok(is_old(stat.newest(), now) && self.stat_info(id)?.is_none() && self.stat_todo(id)?.is_none())
    }
}
