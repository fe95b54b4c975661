//! Whatever is told in whatever order, the machine neither panics nor gives one slot to two deliveries, nor more than
//! there are, nor starts anything after it was told to stop.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // A test that cannot go on says where it stands.

use std::collections::HashSet;

use contracts::QueueId;
use contracts::clean::CleanRequest;
use contracts::spawn::Outcome;
use proptest::prelude::*;
use schedule::{
    Action, Burial, Channel, Config, Event, Failure, Found, Now, Piece, Recipient, Schedule, Then, Todo,
    Unrecorded,
};

fn id() -> impl Strategy<Value = QueueId> {
    (0..6u64).prop_map(QueueId)
}

fn channel() -> impl Strategy<Value = Channel> {
    prop_oneof![Just(Channel::Local), Just(Channel::Remote)]
}

fn address(n: u8) -> std::sync::Arc<[u8]> {
    format!("r{n}@d{}.example", n % 3).into_bytes().into()
}

fn few() -> impl Strategy<Value = Vec<Recipient>> {
    let addresses = proptest::collection::vec(any::<u8>(), 0..4);
    addresses.prop_map(|all| {
        let numbered = (0..).zip(all);
        numbered.map(|(offset, n)| Recipient { offset, address: address(n) }).collect()
    })
}

fn todo() -> impl Strategy<Value = Todo> {
    prop_oneof![
        4 => ([few(), few()], 0..2_000_000u64)
            .prop_map(|(recipients, birth)| Todo::Few { sender: address(0), recipients, birth }),
        2 => any::<[bool; 2]>().prop_map(|channels| Todo::Settled { channels }),
        1 => prop_oneof![Just(Todo::Gone), Just(Todo::Broken), Just(Todo::NoMessage), Just(Todo::Trouble)],
    ]
}

fn piece() -> impl Strategy<Value = Piece> {
    let then = prop_oneof![Just(Then::End), Just(Then::Broken), (0..50u64).prop_map(Then::More)];
    let recipients = proptest::collection::vec((0..50u64, any::<u8>()), 0..4);
    let read = (0..2_000_000u64, recipients, then).prop_map(|(birth, recipients, then)| Piece::Read {
        sender: address(1),
        birth,
        recipients: recipients
            .into_iter()
            .map(|(offset, n)| Recipient { offset, address: address(n) })
            .collect(),
        then,
    });
    prop_oneof![4 => read, 1 => prop_oneof![Just(Piece::Gone), Just(Piece::Broken), Just(Piece::Trouble)]]
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(Outcome::Delivered),
        Just(Outcome::Deferred),
        Just(Outcome::Failed),
        Just(Outcome::Mangled)
    ]
}

fn found() -> impl Strategy<Value = Found> {
    prop_oneof![
        (id(), any::<[Option<u32>; 2]>())
            .prop_map(|(id, due)| Found::Message { id, due: due.map(|due| due.map(u64::from)) }),
        id().prop_map(Found::Trouble),
    ]
}

fn request() -> impl Strategy<Value = CleanRequest> {
    id().prop_flat_map(|id| {
        prop_oneof![
            Just(CleanRequest::Message(id)),
            Just(CleanRequest::Envelope(id)),
            Just(CleanRequest::Hold(id))
        ]
    })
}

fn burial() -> impl Strategy<Value = Burial> {
    prop_oneof![Just(Burial::Ended), Just(Burial::BounceWaits), Just(Burial::NotDead), Just(Burial::Trouble)]
}

fn event() -> impl Strategy<Value = Event> {
    let unrecorded =
        Unrecorded { offset: 0, failure: Some(Failure { recipient: address(1), text: address(2) }) };
    let arriving = prop_oneof![
        4 => id().prop_map(Event::Hint),
        1 => Just(Event::ScanWanted),
        1 => (proptest::collection::vec(id(), 0..4), any::<bool>())
            .prop_map(|(ids, end)| Event::TodoFound { ids, end }),
        1 => (proptest::collection::vec(found(), 0..3), any::<bool>())
            .prop_map(|(found, end)| Event::InfoFound { found, end }),
        1 => (proptest::collection::vec(id(), 0..3), any::<bool>())
            .prop_map(|(orphans, end)| Event::Swept { orphans, end }),
        6 => (id(), todo()).prop_map(|(id, todo)| Event::Todo(id, todo)),
        2 => (id(), any::<bool>()).prop_map(|(id, ok)| Event::Settled(id, ok)),
    ];
    let delivering = prop_oneof![
        4 => (id(), channel(), piece()).prop_map(|(id, channel, piece)| Event::Piece(id, channel, piece)),
        6 => (channel(), 0..6u16, outcome()).prop_map(|(channel, slot, outcome)| Event::Report {
            channel,
            slot,
            outcome,
            text: b"text".to_vec(),
        }),
        2 => (id(), channel(), any::<bool>()).prop_map(move |(id, channel, ok)| {
            Event::Recorded(id, channel, if ok { Ok(()) } else { Err(unrecorded.clone()) })
        }),
        2 => (id(), channel(), any::<bool>()).prop_map(|(id, channel, ok)| Event::ChannelClosed(id, channel, ok)),
    ];
    let ending = prop_oneof![
        2 => (id(), burial()).prop_map(|(id, burial)| Event::Buried(id, burial)),
        2 => (id(), any::<bool>()).prop_map(|(id, ok)| Event::Bounced(id, ok)),
        6 => (request(), any::<bool>()).prop_map(|(request, ok)| Event::Cleaned(request, ok)),
        2 => Just(Event::Alarm),
        4 => Just(Event::Tick),
    ];
    prop_oneof![4 => arriving, 4 => delivering, 3 => ending]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn slots_are_never_given_twice(
        events in proptest::collection::vec((event(), 0..400_000u64), 1..150),
        stop_after in 0..300usize,
    ) {
        let mut now = Now { wall: 1_000_000, steady: 0 };
        let config = Config { concurrency: [2, 5], ..Config::default() };
        let (mut machine, _) = Schedule::start(config, now);
        let mut flying: HashSet<(Channel, u16)> = HashSet::new();
        for (number, (event, passed)) in events.into_iter().enumerate() {
            now = Now { wall: now.wall + passed / 1000, steady: now.steady + passed };
            if let Event::Report { channel, slot, .. } = &event {
                flying.remove(&(*channel, *slot));
            }
            let mut actions = machine.handle(event, now);
            if number == stop_after {
                actions.extend(machine.handle(Event::Stop, now));
            }
            for action in actions {
                if let Action::Deliver { channel, slot, .. } = action {
                    prop_assert!(number <= stop_after, "started after the stop");
                    let slots = if channel == Channel::Local { 2 } else { 5 };
                    prop_assert!(slot < slots);
                    prop_assert!(flying.insert((channel, slot)), "{slot} is taken");
                }
            }
            prop_assert!(machine.sleep_millis(now) <= 86_400_000);
        }
    }
}
