//! Setting broken entries aside, so that they are neither retried for ever nor lost (D27).
//!
//! They go to `queue/quarantine/ID.PLACE`: a directory of our own beside the contract's, with names that no scanner
//! takes for messages. `qmail-send` may not touch `mess` and `todo`, so each side moves its own:
//!
//! 1. `qmail-send` asks `qmail-clean` for `hold/ID`: mess, intd and todo are moved ([`Queue::hold`]);
//! 2. after a `+`, it moves info, local, remote and bounce itself ([`Queue::quarantine`]) and logs an alert.
//!
//! An original `qmail-clean` answers `x`; the entry then stays where it is and is left alone until the next start.

use crate::{
    Channel,
    disk::{Disk, absent_is_fine},
    store::Queue,
};
use contracts::QueueId;
use std::io;

const DIRECTORY: &str = "quarantine";
/// Group `qmail` may add to it, since both qmailq and qmails do; with the sticky bit neither can touch the other's.
const DIRECTORY_MODE: u32 = 0o1770;

impl<D: Disk> Queue<D> {
    /// Moves what belongs to qmailq: mess, intd, todo. In this order, so that after a crash todo still names it. For
    /// `qmail-clean`.
    pub fn hold(&self, id: QueueId) -> io::Result<()> {
        self.disk.make_directory(DIRECTORY, DIRECTORY_MODE)?;
        self.set_aside(id, "mess", &self.layout.message(id))?;
        for name in self.layout.all_under_construction(id) {
            self.set_aside(id, "intd", &name)?;
        }
        for name in self.layout.envelopes(id) {
            self.set_aside(id, "todo", &name)?;
        }
        self.sync_directory(DIRECTORY)
    }

    /// Moves what belongs to qmails: channel files, bounce, info. For `qmail-send`, after [`Queue::hold`].
    pub fn quarantine(&self, id: QueueId) -> io::Result<()> {
        for channel in Channel::BOTH {
            self.set_aside(id, channel.name(), &self.layout.channel(channel, id))?;
        }
        self.set_aside(id, "bounce", &self.layout.bounce(id))?;
        self.set_aside(id, "info", &self.layout.info(id))?;
        self.sync_directory(DIRECTORY)
    }

    fn set_aside(&self, id: QueueId, place: &str, name: &str) -> io::Result<()> {
        // A number may come here more than once in the life of a queue; no older evidence is overwritten.
        let aside = (0..)
            .map(|n: u32| {
                if n == 0 {
                    format!("{DIRECTORY}/{id}.{place}")
                } else {
                    format!("{DIRECTORY}/{id}.{place}.{n}")
                }
            })
            .take(ASIDE_MAX);
        for aside in aside {
            if absent_is_fine(self.disk.stat(&aside))?.is_none() {
                return absent_is_fine(self.disk.rename(name, &aside)).map(drop);
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

/// How often the same number may be set aside before somebody must look.
const ASIDE_MAX: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulated::SimulatedDisk;

    #[test]
    fn a_number_may_be_set_aside_more_than_once() {
        let disk = SimulatedDisk::with_queue(2);
        let queue = Queue::on(disk.clone()).unwrap();
        for _ in 0..2 {
            for name in ["mess/1/3", "todo/3", "info/1/3", "local/1/3", "bounce/3"] {
                disk.create(name).unwrap();
            }
            queue.hold(QueueId(3)).unwrap();
            queue.quarantine(QueueId(3)).unwrap();
        }
        let mut want = Vec::new();
        for place in ["bounce", "info", "local", "mess", "todo"] {
            want.extend([format!("3.{place}"), format!("3.{place}.1")]);
        }
        assert_eq!(disk.list("quarantine"), want);
        assert_eq!(disk.list("todo"), [""; 0]);
    }
}
