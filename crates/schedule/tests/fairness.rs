//! Who gets a slot: nothing old, dead or huge keeps new mail waiting, and no slot stays empty while anybody may use it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // A test that cannot go on says where it stands.

use std::sync::Arc;

use contracts::QueueId;
use contracts::clean::CleanRequest;
use contracts::spawn::Outcome;
use schedule::{
    Action, Channel, Config, Event, Found, Note, Now, Piece, Recipient, Schedule, Slot, Then, Todo,
};

const NOW: Now = Now { wall: 1_000_000, steady: 5_000 };

struct Bench {
    machine: Schedule,
    now: Now,
    /// Deliveries in flight: slot and recipient.
    flying: Vec<(Slot, String)>,
    opened: Vec<QueueId>,
    waits: Vec<Action>,
}

impl Bench {
    fn new(remote: Slot) -> Self {
        let config = Config { concurrency: [10, remote], ..Config::default() };
        let (machine, _) = Schedule::start(config, NOW);
        Self { machine, now: NOW, flying: Vec::new(), opened: Vec::new(), waits: Vec::new() }
    }

    fn tell(&mut self, event: Event) {
        for action in self.machine.handle(event, self.now) {
            match action {
                Action::Deliver { slot, recipient, .. } => {
                    self.flying.push((slot, String::from_utf8(recipient.to_vec()).unwrap()));
                }
                Action::Open { id, .. } => self.opened.push(id),
                Action::Log(Note::OutOfRange) => panic!(),
                other => self.waits.push(other),
            }
        }
    }

    fn passes(&mut self, millis: u64) {
        self.now.steady += millis;
    }

    /// A new message with one recipient.
    fn arrives(&mut self, id: u64, recipient: &str) {
        self.tell(Event::Hint(QueueId(id)));
        let recipient = Recipient { offset: 0, address: recipient.as_bytes().into() };
        let todo = Todo::Few {
            sender: Arc::from(&b"s@x"[..]),
            recipients: [vec![], vec![recipient]],
            birth: NOW.wall,
        };
        self.tell(Event::Todo(QueueId(id), todo));
    }

    /// A new message with several.
    fn list_arrives(&mut self, id: u64, recipients: impl Iterator<Item = String>) {
        self.tell(Event::Hint(QueueId(id)));
        self.tell(Event::Todo(QueueId(id), Todo::Settled { channels: [false, true] }));
        self.tell(Event::Cleaned(CleanRequest::Envelope(QueueId(id)), true));
        self.read(id, recipients);
    }

    fn read(&mut self, id: u64, recipients: impl Iterator<Item = String>) {
        let recipients = recipients
            .enumerate()
            .map(|(offset, address)| Recipient { offset: offset as u64, address: address.as_bytes().into() });
        let (sender, recipients) = (Arc::from(&b"s@x"[..]), recipients.collect());
        let piece = Piece::Read { sender, birth: NOW.wall - 10, recipients, then: Then::End };
        self.tell(Event::Piece(QueueId(id), Channel::Remote, piece));
    }

    /// Messages that have waited long enough, `recipient` each.
    fn retries(&mut self, ids: std::ops::Range<u64>, recipient: &str) {
        let found =
            ids.map(|id| Found::Message { id: QueueId(id), due: [None, Some(NOW.wall - 1)] }).collect();
        self.tell(Event::InfoFound { found, end: true });
        self.read_opened(recipient);
    }

    fn read_opened(&mut self, recipient: &str) {
        while let Some(id) = self.opened.pop() {
            self.read(id.0, std::iter::once(recipient.to_owned()));
        }
    }

    fn reports(&mut self, which: usize, outcome: Outcome) {
        self.lands(which, outcome);
        self.writes_down();
    }

    /// A report whose result is not written down yet.
    fn lands(&mut self, which: usize, outcome: Outcome) {
        let (slot, _) = self.flying.remove(which);
        self.tell(Event::Report { channel: Channel::Remote, slot, outcome, text: b"x\n".to_vec() });
    }

    /// Results are on disk: marks, and removals from `todo`.
    fn writes_down(&mut self) {
        for action in std::mem::take(&mut self.waits) {
            match action {
                Action::Record { id, channel, .. } => self.tell(Event::Recorded(id, channel, Ok(()))),
                Action::Clean(request @ CleanRequest::Envelope(_)) => {
                    self.tell(Event::Cleaned(request, true));
                }
                other => self.waits.push(other),
            }
        }
    }

    fn flying_to(&self, part: &str) -> usize {
        self.flying.iter().filter(|(_, recipient)| recipient.contains(part)).count()
    }
}

#[test]
fn ten_thousand_retries_leave_a_quarter_of_the_slots_to_new_mail() {
    let mut bench = Bench::new(20);
    bench.retries(1..10_001, "old@dead.example");
    assert_eq!(bench.flying_to("dead"), 15);
    for id in 20_001..20_006 {
        bench.arrives(id, &format!("new{id}@alive.example"));
    }
    assert_eq!(bench.flying_to("alive"), 5);
}

#[test]
fn a_huge_message_leaves_slots_to_the_next() {
    let mut bench = Bench::new(20);
    bench.list_arrives(1, (0..100).map(|n| format!("r{n}@d{n}.example")));
    assert_eq!(bench.flying.len(), 15);
    bench.arrives(2, "new@alive.example");
    assert_eq!(bench.flying_to("alive"), 1);
}

#[test]
fn deliveries_do_not_run_ahead_of_what_is_written_down() {
    let mut bench = Bench::new(4);
    for id in 1..100 {
        bench.arrives(id, &format!("x@d{id}.example"));
    }
    for _ in 0..3 {
        for _ in 0..16 {
            assert_eq!(bench.flying.len(), 4);
            bench.lands(0, Outcome::Delivered);
        }
        assert_eq!(
            bench.flying.len(),
            3,
            "sixteen wait to be written down: nobody takes the place of the last"
        );
        bench.lands(0, Outcome::Delivered);
        assert_eq!(bench.flying.len(), 2);
        bench.writes_down();
    }
}

#[test]
fn what_cannot_be_written_down_holds_others_up_only_while_it_is_tried() {
    let mut bench = Bench::new(1);
    for id in 1..10 {
        bench.arrives(id, &format!("x@d{id}.example"));
    }
    for _ in 0..4 {
        bench.lands(0, Outcome::Delivered);
    }
    assert!(bench.flying.is_empty());
    for action in std::mem::take(&mut bench.waits) {
        if let Action::Clean(request @ CleanRequest::Envelope(_)) = action {
            bench.tell(Event::Cleaned(request, false));
        }
    }
    assert_eq!(bench.flying.len(), 1);
    bench.passes(123_000);
    bench.tell(Event::Tick);
    bench.lands(0, Outcome::Delivered);
    assert!(bench.flying.is_empty(), "it is tried again, with one more");
    bench.writes_down();
    assert_eq!(bench.flying.len(), 1);
}

#[test]
fn a_list_does_not_run_ahead_of_its_marks() {
    let mut bench = Bench::new(1);
    bench.list_arrives(1, (0..30).map(|n| format!("y@e{n}.example")));
    for _ in 0..4 {
        bench.lands(0, Outcome::Delivered);
    }
    assert!(bench.flying.is_empty());
    bench.writes_down();
    assert_eq!(bench.flying.len(), 1);
}

#[test]
fn two_lists_take_turns() {
    let mut bench = Bench::new(4);
    bench.list_arrives(1, (0..50).map(|n| format!("a{n}@one.example")));
    bench.list_arrives(2, (0..50).map(|n| format!("b{n}@two.example")));
    for _ in 0..40 {
        bench.reports(0, Outcome::Failed);
        assert!(bench.flying_to("one") >= 1 && bench.flying_to("two") >= 1, "{:?}", bench.flying);
    }
}

#[test]
fn a_destination_that_defers_does_not_get_the_reserve() {
    let mut bench = Bench::new(20);
    bench.arrives(1, "x@dead.example");
    bench.reports(0, Outcome::Deferred);
    for id in 2..100 {
        bench.arrives(id, "x@dead.example");
    }
    assert_eq!(bench.flying_to("dead"), 15);
    bench.arrives(100, "x@alive.example");
    assert_eq!(bench.flying_to("alive"), 1);
}

#[test]
fn destinations_that_have_not_shown_that_they_work_leave_slots_to_others() {
    let mut bench = Bench::new(20);
    for id in 1..300 {
        bench.arrives(id, "x@dead.example");
        bench.arrives(1000 + id, "x@slow.example");
    }
    assert_eq!(bench.flying.len(), 15);
    for id in 2001..2010 {
        bench.arrives(id, "x@healthy.example");
    }
    assert_eq!(bench.flying_to("healthy"), 5);
}

#[test]
fn a_destination_with_its_share_lets_another_go_first() {
    let mut bench = Bench::new(8);
    bench.arrives(1, "x@busy.example");
    bench.reports(0, Outcome::Delivered);
    for id in 2..31 {
        bench.arrives(id, "x@busy.example");
    }
    assert_eq!(bench.flying_to("busy"), 8);
    bench.arrives(31, "x@other.example");
    bench.reports(0, Outcome::Delivered);
    assert_eq!(bench.flying_to("other"), 1, "it has waited behind 21, and goes first");
}

#[test]
fn a_destination_that_worked_once_leaves_slots_until_it_shows_that_it_still_does() {
    let mut bench = Bench::new(20);
    bench.arrives(1, "x@quick.example");
    bench.reports(0, Outcome::Delivered);
    bench.passes(500);
    for id in 2..100 {
        bench.arrives(id, "x@quick.example");
    }
    assert_eq!(bench.flying.len(), 15);
    bench.reports(0, Outcome::Delivered);
    assert_eq!(bench.flying.len(), 19, "one of sixteen is for others, whatever happens");
    bench.arrives(100, "x@other.example");
    assert_eq!(bench.flying_to("other"), 1);
}

#[test]
fn what_hangs_after_it_worked_gets_no_more_than_its_place() {
    let mut bench = Bench::new(20);
    bench.arrives(1, "x@hung.example");
    bench.reports(0, Outcome::Delivered);
    for id in 2..13 {
        bench.arrives(id, "x@hung.example");
    }
    bench.passes(600);
    for id in 13..100 {
        bench.arrives(id, "x@hung.example");
    }
    assert!(bench.flying_to("hung") <= 17, "{}", bench.flying.len());
    bench.arrives(100, "x@other.example");
    assert_eq!(bench.flying_to("other"), 1);
}

#[test]
fn one_destination_alone_uses_every_slot_once_it_works() {
    let mut bench = Bench::new(8);
    for id in 1..30 {
        bench.arrives(id, "x@only.example");
    }
    assert_eq!(bench.flying.len(), 6);
    bench.reports(3, Outcome::Delivered);
    assert_eq!(bench.flying.len(), 8);
}

#[test]
fn a_flood_of_new_mail_leaves_retries_their_turn() {
    let mut bench = Bench::new(4);
    for id in 1..500 {
        bench.arrives(id, &format!("x@new{id}.example"));
    }
    bench.retries(1000..1050, "x@old.example");
    let mut retries = 0;
    for _ in 0..100 {
        bench.reports(0, Outcome::Delivered);
        retries += usize::from(bench.flying.last().unwrap().1.contains("old"));
        bench.read_opened("x@old.example");
    }
    assert!((10..=30).contains(&retries), "{retries} of 100");
}

#[test]
fn a_held_channel_takes_mail_to_disk_and_keeps_it_there() {
    let mut bench = Bench::new(0);
    bench.arrives(1, "x@far.example");
    assert!(bench.flying.is_empty());
    assert!(bench.waits.iter().any(|action| matches!(action, Action::Settle { .. })));
    bench.tell(Event::Settled(QueueId(1), true));
    bench.tell(Event::Cleaned(CleanRequest::Envelope(QueueId(1)), true));
    assert!(bench.opened.is_empty());
}

#[test]
fn a_clock_that_jumps_ahead_bounces_nothing_at_its_first_attempt_after() {
    const YEAR: u64 = 31_536_000;
    let mut bench = Bench::new(4);
    let found = vec![Found::Message { id: QueueId(1), due: [None, Some(NOW.wall + 100)] }];
    bench.tell(Event::InfoFound { found, end: true });
    let attempt = |bench: &mut Bench, now: Now| {
        let recipients = vec![Recipient { offset: 0, address: b"x@far.example"[..].into() }];
        let sender = Arc::from(&b"s@x"[..]);
        let piece = Piece::Read { sender, birth: NOW.wall, recipients, then: Then::End };
        let mut ended = None;
        let mut events = vec![Event::Alarm, Event::Piece(QueueId(1), Channel::Remote, piece)];
        events.push(Event::Report {
            channel: Channel::Remote,
            slot: 0,
            outcome: Outcome::Deferred,
            text: vec![],
        });
        for event in events {
            for action in bench.machine.handle(event, now) {
                if let Action::Log(Note::Ended { outcome, .. }) = action {
                    ended = Some(outcome);
                }
            }
        }
        ended
    };
    let jumped = Now { wall: NOW.wall + YEAR, steady: NOW.steady + 1000 };
    assert_eq!(attempt(&mut bench, jumped), Some(Outcome::Deferred));
    let later = Now { wall: jumped.wall + 4000, steady: jumped.steady + 4_000_000 };
    assert_eq!(attempt(&mut bench, later), Some(Outcome::Failed));
}

#[test]
fn a_flood_of_hints_takes_bounded_memory_and_costs_no_message() {
    let mut bench = Bench::new(4);
    bench.tell(Event::TodoFound { ids: vec![], end: true });
    for id in 0..1_000_000 {
        bench.tell(Event::Hint(QueueId(id)));
    }
    assert!(bench.machine.known() < 250_000, "{}", bench.machine.known());
    bench.waits.clear();
    for id in 0..200_300 {
        bench.tell(Event::Todo(QueueId(id), Todo::Gone));
    }
    let scans = bench.waits.iter().filter(|action| matches!(action, Action::ScanTodo { .. })).count();
    assert_eq!((bench.machine.known(), scans), (0, 1));
}
