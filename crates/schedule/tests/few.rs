//! A message with a few recipients is attempted from `todo` alone: nothing is written when all of them get it at once,
//! and nothing that has been delivered is forgotten when they do not.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // A test that cannot go on says where it stands.

use std::sync::Arc;

use contracts::QueueId;
use contracts::clean::CleanRequest;
use contracts::spawn::Outcome;
use schedule::{Action, Channel, Config, Event, Now, Recipient, Schedule, Slot, Todo};

const ID: QueueId = QueueId(7);
const NOW: Now = Now { wall: 1_000_000, steady: 5_000 };

struct Bench {
    machine: Schedule,
    flying: Vec<(Channel, Slot, String)>,
    asked: Vec<Action>,
}

impl Bench {
    /// A message to `local` and to `remote` has been read; there are two slots for each.
    fn with(local: &[&str], remote: &[&str]) -> Self {
        let (machine, _) = Schedule::start(Config { concurrency: [2, 2], ..Config::default() }, NOW);
        let mut bench = Self { machine, flying: vec![], asked: vec![] };
        let recipients = [local, remote].map(|all| {
            let numbered = (0..).map(|n| n * 10).zip(all);
            numbered.map(|(offset, a)| Recipient { offset, address: a.as_bytes().into() }).collect()
        });
        bench.tell(Event::Hint(ID), NOW);
        let sender = Arc::from(&b"s@x"[..]);
        bench.tell(Event::Todo(ID, Todo::Few { sender, recipients, birth: NOW.wall }), NOW);
        bench.asked.clear();
        bench
    }

    fn tell(&mut self, event: Event, now: Now) {
        for action in self.machine.handle(event, now) {
            match action {
                Action::Deliver { channel, slot, recipient, .. } => {
                    self.flying.push((channel, slot, String::from_utf8(recipient.to_vec()).unwrap()));
                }
                Action::Log(_) => {}
                other => self.asked.push(other),
            }
        }
    }

    fn report(&mut self, to: &str, outcome: Outcome) {
        let at = self.flying.iter().position(|(.., recipient)| recipient == to).unwrap();
        let (channel, slot, _) = self.flying.remove(at);
        self.tell(Event::Report { channel, slot, outcome, text: b"x\n".to_vec() }, NOW);
    }

    /// What is to be written into the channel files, if anything has been asked.
    fn settling(&mut self) -> Option<[Vec<String>; 2]> {
        self.asked.drain(..).find_map(|action| match action {
            Action::Settle { recipients, .. } => Some(
                recipients.map(|all| all.iter().map(|a| String::from_utf8(a.to_vec()).unwrap()).collect()),
            ),
            _ => None,
        })
    }

    /// Channels and offsets of the marks asked for once S5 is reached.
    fn marks_after_moving(&mut self) -> Vec<(Channel, u64)> {
        self.tell(Event::Settled(ID, true), NOW);
        self.tell(Event::Cleaned(CleanRequest::Envelope(ID), true), NOW);
        let marks = self.asked.drain(..).filter_map(|action| match action {
            Action::Record { channel, offset, .. } => Some((channel, offset)),
            _ => None,
        });
        marks.collect()
    }
}

#[test]
fn nothing_is_written_when_all_get_it_at_once() {
    let mut bench = Bench::with(&["a", "b", "c"], &["d@x"]);
    for to in ["a", "d@x", "b"] {
        bench.report(to, Outcome::Delivered);
        assert!(bench.asked.is_empty(), "{:?}", bench.asked);
    }
    bench.report("c", Outcome::Delivered);
    assert!(matches!(
        bench.asked.as_slice(),
        [Action::Clean(CleanRequest::Envelope(ID)), Action::Clean(CleanRequest::Message(ID))]
    ));
}

#[test]
fn a_deferral_moves_all_to_disk_and_marks_who_has_got_it() {
    let mut bench = Bench::with(&["a", "b"], &["d@x", "e@x", "f@x"]);
    bench.report("d@x", Outcome::Delivered);
    bench.report("b", Outcome::Deferred);
    assert_eq!(bench.settling().unwrap(), [vec!["a", "b"], vec!["d@x", "e@x", "f@x"]]);
    bench.report("a", Outcome::Delivered);
    let marks = bench.marks_after_moving();
    assert_eq!(marks, [(Channel::Local, 0), (Channel::Remote, 0)]);
}

#[test]
fn a_channel_that_is_finished_gets_no_file() {
    let mut bench = Bench::with(&["a"], &["d@x", "e@x"]);
    bench.report("a", Outcome::Delivered);
    bench.report("d@x", Outcome::Failed);
    assert_eq!(bench.settling().unwrap(), [vec![], vec!["d@x", "e@x"]]);
}

#[test]
fn after_a_second_all_move_to_disk() {
    let mut bench = Bench::with(&["a"], &["d@x", "e@x"]);
    bench.report("a", Outcome::Delivered);
    bench.tell(Event::Tick, Now { steady: NOW.steady + 999, ..NOW });
    assert_eq!(bench.settling(), None);
    bench.tell(Event::Tick, Now { steady: NOW.steady + 1000, ..NOW });
    assert_eq!(bench.settling().unwrap(), [vec![], vec!["d@x", "e@x"]]);
}

#[test]
fn a_stop_forgets_no_delivery() {
    let mut bench = Bench::with(&["a", "b", "c"], &[]);
    bench.tell(Event::Stop, NOW);
    bench.report("a", Outcome::Delivered);
    assert_eq!(bench.settling().unwrap()[0], ["a", "b", "c"]);
    bench.report("b", Outcome::Delivered);
    assert_eq!(bench.marks_after_moving(), [(Channel::Local, 0), (Channel::Local, 10)]);

    let mut bench = Bench::with(&["a"], &["d@x", "e@x", "f@x"]);
    bench.report("d@x", Outcome::Delivered);
    bench.report("e@x", Outcome::Delivered);
    bench.report("f@x", Outcome::Delivered);
    bench.tell(Event::Stop, NOW);
    assert_eq!(bench.settling(), None, "one recipient is in the air, and no other waits");
    bench.report("a", Outcome::Deferred);
    assert_eq!(bench.settling().unwrap(), [vec!["a"], vec![]]);
}
