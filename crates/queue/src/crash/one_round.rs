//! One round of syncing on disks that keep the order of changes, and on one that only says so.

use super::{MESSAGE, RECIPIENTS, SPLIT, check_todo, enqueue, ways_to_survive};
use crate::{Queue, QueueId, incoming::rounds_of_syncing, simulated::SimulatedDisk};

/// How many syncs the one round has.
const SYNCS: u64 = 4;
/// The files whose bytes are written out before a name leads to them.
const WRITE_OUTS: u64 = 2;

fn is_whole(disk: &SimulatedDisk, id: QueueId) -> bool {
    let queue = Queue::on(disk.clone()).unwrap();
    let message = disk.bytes(&queue.layout().message(id));
    queue.read_todo(id).is_ok_and(|entry| entry.recipients().eq(RECIPIENTS))
        && message.is_some_and(|m| m.starts_with(b"Received: (qmail ") && m.ends_with(MESSAGE))
}

#[test]
fn a_message_waits_for_one_round_where_order_is_kept_and_for_two_elsewhere() {
    for keeps_order in [true, false] {
        let disk = SimulatedDisk::with_queue(SPLIT);
        let disk = if keeps_order { disk.claiming_order() } else { disk };
        enqueue(&Queue::on(disk.clone()).unwrap(), false).unwrap();
        assert_eq!(disk.rounds(), rounds_of_syncing(keeps_order));
    }
}

#[test]
fn what_is_accepted_is_durable_even_where_order_is_not_kept_after_all() {
    let empty = SimulatedDisk::with_queue(SPLIT).claiming_order();
    for n in 0.. {
        let disk = empty.crash(crate::simulated::Survives::Everything);
        let queue = Queue::on(disk.clone()).unwrap();
        disk.stop_after(n);
        if let Ok(id) = enqueue(&queue, false) {
            assert!(ways_to_survive().all(|survives| is_whole(&disk.crash(survives), id)), "stop after {n}");
        }
        if disk.calls() < n {
            break;
        }
    }
}

#[test]
fn without_any_one_of_the_four_syncs_something_accepted_can_be_lost() {
    for left_out in 0..SYNCS {
        let disk = SimulatedDisk::with_queue(SPLIT).claiming_order().without_sync(left_out);
        let id = enqueue(&Queue::on(disk.clone()).unwrap(), false).unwrap();
        assert_eq!(disk.syncs(), SYNCS);
        assert!(!ways_to_survive().all(|survives| is_whole(&disk.crash(survives), id)), "sync {left_out}");
    }
}

#[test]
fn without_any_one_of_the_two_write_outs_something_torn_can_be_seen() {
    for left_out in 0..WRITE_OUTS {
        let mut seen_torn = false;
        for n in 0..30 {
            let disk = SimulatedDisk::with_queue(SPLIT).keeping_order().without_write_out(left_out);
            let queue = Queue::on(disk.clone()).unwrap();
            disk.stop_after(n);
            let _ = enqueue(&queue, false);
            seen_torn |= ways_to_survive().any(|survives| {
                let found = disk.crash(survives);
                found.list("todo").iter().any(|id| !is_whole(&found, QueueId::parse(id.as_bytes()).unwrap()))
            });
        }
        assert!(seen_torn, "write-out {left_out}");
    }
}

#[test]
fn a_message_that_is_delivered_before_its_syncs_is_whole_at_every_moment() {
    // A scan may find the name before the answer: what it leads to must be there after any crash that leaves the name.
    let disk = SimulatedDisk::with_queue(SPLIT).keeping_order();
    let first = enqueue(&Queue::on(disk.clone()).unwrap(), false).unwrap();
    for n in 0..30 {
        let disk = disk.crash(crate::simulated::Survives::Everything);
        let queue = Queue::on(disk.clone()).unwrap();
        disk.stop_after(n);
        let second = enqueue(&queue, false);
        for survives in ways_to_survive() {
            let found = disk.crash(survives);
            let count = check_todo(&found);
            assert!(count > usize::from(second.is_ok()));
            assert!(is_whole(&found, first));
        }
    }
}
