//! What `qmail-clean` does: takes files away that belong to qmailq, at the word of `qmail-send`, who may not
//! (contract 5.4, 7.8).

use crate::{
    disk::{Disk, absent_is_fine, unlink_if_present},
    store::Queue,
    sweep::is_old,
};
use contracts::clean::{CleanDecoder, CleanReply, CleanRequest};
use std::io;

/// The remains in `pid` are looked through at the start and after so many requests.
const REQUESTS_BETWEEN_SWEEPS: u32 = 31;

/// The state between two reads.
#[derive(Debug)]
pub struct Cleaner<'q, D: Disk> {
    queue: &'q Queue<D>,
    decoder: CleanDecoder,
    since_sweep: u32,
}

impl<'q, D: Disk> Cleaner<'q, D> {
    /// A cleaner that has swept `pid`.
    pub fn start(queue: &'q Queue<D>, now: i64) -> Self {
        sweep_pid(queue, now);
        Self { queue, decoder: CleanDecoder::default(), since_sweep: 0 }
    }

    /// Carries out every request that the next bytes complete. Returns one answer for each, in order: many requests
    /// in one read get their answers in one write.
    pub fn handle(&mut self, bytes: &[u8], now: i64) -> Vec<u8> {
        let (queue, since_sweep) = (self.queue, &mut self.since_sweep);
        let mut replies = Vec::new();
        self.decoder.push(bytes, |request| {
            let reply = match request.map(|request| carry_out(queue, request)) {
                Ok(Ok(())) => CleanReply::Done,
                Ok(Err(_)) => CleanReply::Failed,
                Err(_) => CleanReply::NotUnderstood,
            };
            replies.push(reply as u8);
            *since_sweep = since_sweep.saturating_add(1);
            if *since_sweep >= REQUESTS_BETWEEN_SWEEPS {
                *since_sweep = 0;
                sweep_pid(queue, now);
            }
        });
        replies
    }
}

fn carry_out<D: Disk>(queue: &Queue<D>, request: CleanRequest) -> io::Result<()> {
    let layout = queue.layout;
    match request {
        CleanRequest::Message(id) => {
            unlink_all(&queue.disk, layout.all_under_construction(id))?;
            unlink_if_present(&queue.disk, &layout.message(id)) // S1
        }
        CleanRequest::Envelope(id) => {
            unlink_all(&queue.disk, layout.all_under_construction(id))?;
            unlink_all(&queue.disk, layout.envelopes(id)) // S5, or S2 when all is delivered
        }
        CleanRequest::Hold(id) => queue.hold(id),
    }
}

fn unlink_all(disk: &impl Disk, mut names: impl Iterator<Item = String>) -> io::Result<()> {
    names.try_for_each(|name| unlink_if_present(disk, &name))
}

/// Removes what killed writers left in `pid`. What cannot be removed is left for the next time.
fn sweep_pid<D: Disk>(queue: &Queue<D>, now: i64) {
    let Ok(names) = queue.disk.names("pid") else { return };
    for name in names.flatten() {
        let Ok(name) = String::from_utf8(name) else { continue };
        if name.starts_with('.') {
            continue;
        }
        let name = format!("pid/{name}");
        if let Ok(Some(stat)) = absent_is_fine(queue.disk.stat(&name))
            && is_old(stat.newest(), now)
        {
            let _ = queue.disk.unlink(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulated::SimulatedDisk;

    #[test]
    fn many_requests_get_their_answers_in_order() {
        let disk = SimulatedDisk::with_queue(2);
        for name in ["mess/1/3", "todo/3", "intd/3", "mess/0/4", "todo/4"] {
            disk.create(name).unwrap();
        }
        let queue = Queue::on(disk.clone()).unwrap();
        let mut cleaner = Cleaner::start(&queue, 0);
        assert_eq!(cleaner.handle(b"todo/3\0foop/3\0foop/x\0mess/3\0fo", 0), b"++xx");
        assert_eq!(cleaner.handle(b"op/99\0\0", 0), b"+x");
        assert_eq!(
            (disk.list("todo"), disk.list("mess/1"), disk.list("intd")),
            (vec!["4".into()], vec![], vec![])
        );
        disk.stop_after(0);
        assert_eq!(cleaner.handle(b"foop/4\0", 0), b"!");
    }

    #[test]
    fn old_remains_in_pid_go_at_the_start_and_every_31_requests() {
        let disk = SimulatedDisk::with_queue(1);
        let queue = Queue::on(disk.clone()).unwrap();
        let (old, new) = (1000, 1001);
        let put = || {
            for (name, time) in [("pid/1.2.3", old), ("pid/4.5.6", new), ("pid/.keep", old)] {
                let _ = disk.create(name);
                disk.set_times(name, time).unwrap();
            }
        };
        let now = old + crate::sweep::OLD_SECONDS + 1;
        put();
        let mut cleaner = Cleaner::start(&queue, now);
        assert_eq!(disk.list("pid"), [".keep", "4.5.6"]);
        put();
        cleaner.handle(&b"foop/9\0".repeat(30), now);
        assert_eq!(disk.list("pid").len(), 3);
        cleaner.handle(b"x\0", now);
        assert_eq!(disk.list("pid").len(), 2);
    }
}
