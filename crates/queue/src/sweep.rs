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

/// True when the newest of a file's times (D24: not only the access time, which many file systems do not keep) is
/// more than 36 hours ago.
pub(crate) fn is_old(newest: i64, now: i64) -> bool {
    now > newest.saturating_add(OLD_SECONDS)
}

impl<D: Disk> Queue<D> {
    /// Looks at up to `count` more messages of a walk begun by [`Queue::scan_messages`] and returns those that are to
    /// be removed (by `qmail-clean`, with `foop`). `None` at the end of the walk.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulated::SimulatedDisk;

    #[test]
    fn only_old_messages_that_nobody_claims_are_orphans() {
        let disk = SimulatedDisk::with_queue(2);
        for (name, time) in [
            ("mess/0/2", 1000),
            ("mess/1/3", 1000),
            ("todo/3", 1000),
            ("mess/0/4", 1000),
            ("info/0/4", 1000),
            ("mess/1/5", 1001),
            ("mess/1/notanumber", 0),
        ] {
            disk.create(name).unwrap();
            disk.set_times(name, time).unwrap();
        }
        let queue = Queue::on(disk).unwrap();
        let now = 1001 + OLD_SECONDS;
        let (mut walk, mut found) = (queue.scan_messages(), Vec::new());
        while let Some(orphans) = queue.sweep(&mut walk, 1, now).unwrap() {
            found.extend(orphans);
        }
        assert_eq!(found, [QueueId(2)]);
    }
}
