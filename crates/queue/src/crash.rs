//! Crash tests: stop after the nth call, for every n, forget what was not synced, and look at what a restart finds.

use crate::{
    Channel, Queue, QueueId,
    clean::Cleaner,
    disk::Disk,
    incoming::{Caller, Qp},
    preprocessed::Preprocessed,
    simulated::{SimulatedDisk, Survives},
};
use contracts::hand_off;
use message::received::InvokedBy;

const SPLIT: u64 = 3;
const MESSAGE: &[u8] = b"Subject: x\n\nbody\n";
const RECIPIENTS: [&[u8]; 3] = [b"a@local", b"b@remote", b"c@local"];

fn ways_to_survive() -> impl Iterator<Item = Survives> {
    [Survives::Nothing, Survives::Everything].into_iter().chain((0..40).map(Survives::Some))
}

fn caller(keep_intd: bool) -> Caller {
    Caller { uid: 7, by: InvokedBy::Uid(7), now: 1_000_000, qp: Qp::QueueId, keep_intd }
}

fn enqueue(queue: &Queue<SimulatedDisk>, keep_intd: bool) -> Result<QueueId, crate::EnqueueError> {
    let envelope = hand_off::encode(b"s@x", RECIPIENTS);
    queue.enqueue(&caller(keep_intd), &mut &*MESSAGE, &mut &*envelope)
}

/// Everything in `todo` is whole, and so is its message. Returns how many there are.
fn check_todo(disk: &SimulatedDisk) -> usize {
    let queue = Queue::on(disk.clone()).unwrap();
    let mut seen = 0;
    for id in queue.scan_todo().next(&queue, 100).unwrap() {
        let entry = queue.read_todo(id).unwrap_or_else(|error| panic!("todo/{id}: {error}"));
        assert_eq!(entry.sender(), b"s@x");
        assert_eq!(entry.recipients().collect::<Vec<_>>(), RECIPIENTS);
        let message = disk.bytes(&queue.layout().message(id)).expect("a message for every envelope");
        assert!(message.starts_with(b"Received: (qmail ") && message.ends_with(MESSAGE), "{message:?}");
        seen += 1;
    }
    seen
}

/// The envelopes in `todo`, by their names in it.
fn queued(disk: &SimulatedDisk) -> Vec<String> {
    let hashed = (0..SPLIT)
        .flat_map(|n| disk.list(&format!("todo/{n}")).into_iter().map(move |id| format!("{n}/{id}")));
    disk.list("todo").into_iter().chain(hashed).collect()
}

/// What refusals and crashes leave in `mess` and `intd` that no envelope names.
fn litter(disk: &SimulatedDisk) -> Vec<String> {
    let queued = queued(disk);
    let hashed = (0..SPLIT).flat_map(|n| [format!("mess/{n}"), format!("intd/{n}")]);
    let places = hashed.chain(["pid".to_owned(), "intd".to_owned()]);
    places
        .flat_map(|place| disk.list(&place).into_iter().map(move |name| format!("{place}/{name}")))
        .filter(|name| !queued.iter().any(|id| name.ends_with(&format!("/{id}"))))
        .collect()
}

fn forms() -> impl Iterator<Item = (SimulatedDisk, bool)> {
    (0..16).map(|form| {
        let (unnamed, keeps_order, keep_intd) = (form & 1 == 0, form & 2 == 0, form & 4 == 0);
        let disk = SimulatedDisk::with_queue(SPLIT);
        let disk = if form & 8 == 0 { disk } else { disk.with_big_todo(SPLIT) };
        let disk = if unnamed { disk } else { disk.without_unnamed() };
        (if keeps_order { disk.keeping_order() } else { disk }, keep_intd)
    })
}

#[test]
fn nothing_accepted_is_lost_and_nothing_half_done_is_visible() {
    for (empty, keep_intd) in forms() {
        let mut accepted_at = None;
        for n in 0.. {
            let disk = empty.crash(Survives::Everything);
            let queue = Queue::on(disk.clone()).unwrap();
            disk.stop_after(n);
            let result = enqueue(&queue, keep_intd);
            let at_most = 1;
            for survives in ways_to_survive() {
                let found = check_todo(&disk.crash(survives));
                assert!(found <= at_most);
                assert!(found == 1 || result.is_err(), "accepted and lost: stop after {n}, {survives:?}");
            }
            if result.is_ok() {
                accepted_at.get_or_insert(n);
            }
            if disk.calls() < n {
                break;
            }
        }
        let calls = accepted_at.expect("accepted when nothing stops it");
        assert!(calls < 30, "{calls} calls for one message");
    }
}

#[test]
fn a_failed_sync_of_anything_refuses_and_leaves_no_envelope() {
    // Not a stop but a single failing call: clean-up works, and nothing is left (D35).
    for (empty, keep_intd) in forms() {
        for n in 0..30 {
            let disk = FailingOnce::nth(empty.crash(Survives::Everything), n);
            let queue = Queue::on(disk).unwrap();
            queue.disk().arm();
            let envelope = hand_off::encode(b"s@x", RECIPIENTS);
            let result = queue.enqueue(&caller(keep_intd), &mut &*MESSAGE, &mut &*envelope);
            let disk = queue.disk().disk.clone();
            match result {
                Ok(_) => assert_eq!(check_todo(&disk), 1),
                Err(crate::EnqueueError::Todo(_)) => assert_eq!(queued(&disk), [""; 0]),
                // Once the envelope has been seen, the message is left to the sweep.
                Err(_) if disk.keeps_order() && disk.syncs() > 0 => assert_eq!(queued(&disk), [""; 0]),
                Err(_) => {
                    assert_eq!(queued(&disk), [""; 0]);
                    assert_eq!(litter(&disk), [""; 0], "call {n}");
                }
            }
        }
    }
}

#[test]
fn a_message_given_up_half_way_leaves_nothing() {
    for (disk, _) in forms() {
        let queue = Queue::on(disk.clone()).unwrap();
        for end in 0..4 {
            let mut incoming = queue.receive(&caller(false)).unwrap();
            incoming.message(MESSAGE).unwrap();
            if end > 0 {
                incoming.end_message().unwrap();
            }
            if end > 1 {
                incoming.envelope(b"Fs@x\0Tr@y\0").unwrap();
            }
            if end > 2 {
                assert!(matches!(incoming.commit(false), Err(crate::EnqueueError::EndedEarly)));
            }
            assert_eq!(queued(&disk), [""; 0]);
        }
        assert_eq!(litter(&disk), [""; 0]);
    }
}

#[test]
fn a_stale_envelope_never_gets_somebody_elses_message() {
    let disk = SimulatedDisk::with_queue(SPLIT);
    let queue = Queue::on(disk.clone()).unwrap();
    // todo/1 without mess/1, as a disk that lost one of two removals; the next message will have number 1.
    let number =
        disk.create_unnamed("todo").unwrap().map(|file| disk.stat_open(&file).unwrap().inode).unwrap();
    let stale = disk.create("todo/stale").unwrap();
    assert_eq!(disk.stat_open(&stale).unwrap().inode, number);
    disk.rename("todo/stale", &format!("todo/{}", number + 1)).unwrap();
    assert!(matches!(enqueue(&queue, false), Err(crate::EnqueueError::Todo(_))));
    assert_eq!(litter(&disk), [""; 0]);
}

#[test]
fn preprocessing_loses_no_recipient() {
    let flat = SimulatedDisk::with_queue(SPLIT);
    preprocess(&flat);
    preprocess(&flat.with_big_todo(SPLIT));
}

fn preprocess(empty: &SimulatedDisk) {
    let full = empty.crash(Survives::Everything);
    let queue = Queue::on(full.clone()).unwrap();
    let ids = [enqueue(&queue, true).unwrap(), enqueue(&queue, false).unwrap()];
    let split = |id| {
        let mut message = Preprocessed::new(id, b"s@x", 1_000_000);
        message.add(Channel::Local, b"a@local");
        message.add(Channel::Remote, b"b@remote");
        message.add(Channel::Local, b"c@local");
        message
    };
    for n in 0.. {
        let disk = full.crash(Survives::Everything);
        let queue = Queue::on(disk.clone()).unwrap();
        disk.stop_after(n);
        let durable = queue.write_preprocessed(&ids.map(split));
        for (id, _) in ids.iter().zip(&durable).filter(|(_, result)| result.is_ok()) {
            Cleaner::start(&queue, 0).handle(format!("todo/{id}\0").as_bytes(), 0);
        }
        for survives in ways_to_survive() {
            let disk = disk.crash(survives);
            let queue = Queue::on(disk.clone()).unwrap();
            check_todo(&disk);
            for id in ids {
                if queue.stat_todo(id).unwrap().is_some() {
                    continue; // S4: all of it will be done again.
                }
                let info = queue.read_info(id).unwrap();
                assert_eq!((info.sender.as_slice(), info.birth), (&b"s@x"[..], 1_000_000));
                let recipients = |channel| {
                    let piece = queue.read_channel(id, channel, 0, 10).unwrap();
                    assert!(piece.at_end);
                    piece.recipients.into_iter().map(|r| (r.address, r.done)).collect::<Vec<_>>()
                };
                assert_eq!(
                    recipients(Channel::Local),
                    [(b"a@local".to_vec(), false), (b"c@local".to_vec(), false)]
                );
                assert_eq!(recipients(Channel::Remote), [(b"b@remote".to_vec(), false)]);
            }
        }
        if disk.calls() < n {
            assert!(durable.iter().all(Result::is_ok));
            assert!(n > 10);
            break;
        }
    }
}

#[test]
fn a_mark_never_survives_the_failure_it_stands_for() {
    let full = SimulatedDisk::with_queue(SPLIT);
    let queue = Queue::on(full.clone()).unwrap();
    let id = QueueId(5);
    let mut message = Preprocessed::new(id, b"s@x", 1_000_000);
    message.add(Channel::Local, b"a@local");
    assert!(queue.write_preprocessed(&[message]).iter().all(Result::is_ok));
    for n in 0.. {
        let disk = full.crash(Survives::Everything);
        let queue = Queue::on(disk.clone()).unwrap();
        disk.stop_after(n);
        if queue.append_bounce(id, b"no such mailbox\n").is_ok() {
            let _ = queue.mark_done(id, Channel::Local, 0);
        }
        for survives in ways_to_survive() {
            let disk = disk.crash(survives);
            let queue = Queue::on(disk.clone()).unwrap();
            let done =
                queue.read_channel(id, Channel::Local, 0, 10).unwrap().recipients.iter().all(|r| r.done);
            let told = disk.bytes("bounce/5").is_some_and(|text| text == b"no such mailbox\n");
            assert!(told || !done, "stop after {n}, {survives:?}");
        }
        if disk.calls() < n {
            break;
        }
    }
}

#[test]
fn what_is_set_aside_is_whole() {
    let full = SimulatedDisk::with_queue(SPLIT);
    let id = enqueue(&Queue::on(full.clone()).unwrap(), true).unwrap();
    for n in 0.. {
        let disk = full.crash(Survives::Everything);
        disk.make_directory("quarantine", 0).unwrap(); // Directories themselves are not simulated.
        let queue = Queue::on(disk.clone()).unwrap();
        disk.stop_after(n);
        let held = queue.hold(id);
        // Everything is under the one name or the other; a rename is never half done while the machine runs.
        let message = [queue.layout().message(id), format!("quarantine/{id}.mess")];
        assert!(
            message.iter().filter(|name| disk.bytes(name).is_some_and(|m| m.ends_with(MESSAGE))).count() >= 1
        );
        if disk.calls() < n {
            held.unwrap();
            assert_eq!(queued(&disk), [""; 0]);
            assert!(disk.list("quarantine").contains(&format!("{id}.todo")));
            break;
        }
    }
}

mod failing_once;
mod one_round;
use failing_once::FailingOnce;
