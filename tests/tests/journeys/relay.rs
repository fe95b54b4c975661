//! SMTP in, SMTP out.
//!
//!     client ──SMTP──> [ smtpd ─> queue ─> send ─> rspawn ─> remote ] ──SMTP──> sink
//!
//! The sink is reached by control/smtproutes.

use crate::letter;
use quail_tests::{Client, Sink, World};

/// A running world that sends everything for `away.example` to the sink.
fn relaying(sink: &Sink) -> World {
    let mut world = World::rootless();
    world.control("smtproutes", &format!("away.example:{}\n", sink.route()));
    world.relay_for_all();
    world.start();
    world
}

#[test]
fn a_message_is_relayed_with_its_envelope() {
    let sink = Sink::start();
    let world = relaying(&sink);
    world.deliver("a@there.example", &["b@away.example"], &letter("relay"));
    let message = sink.receive();
    assert_eq!(
        (message.from.as_str(), message.to.as_slice()),
        ("a@there.example", ["b@away.example".to_owned()].as_slice())
    );
    let text = String::from_utf8(message.body).expect("text");
    assert!(text.starts_with("Received: (qmail "), "{text}");
    assert!(text.ends_with("\r\nSubject: relay\r\n\r\nHello.\r\n"), "{text}");
    world.log.wait("success: 127.0.0.1_accepted_message./Remote_host_said:_250_accepted/");
    world.wait_empty();
}

#[test]
fn recipients_at_one_host_share_a_transaction_and_keep_their_own_results() {
    let sink = Sink::start();
    sink.answer("RCPT TO:<never@", "550 no such user");
    sink.answer("RCPT TO:<later@", "450 come back");
    let world = relaying(&sink);
    world.deliver(
        "joe@here.example",
        &["b@away.example", "never@away.example", "later@away.example", "c@away.example"],
        &letter("several"),
    );
    let mut to = Vec::new();
    while to.len() < 2 {
        to.extend(sink.receive().to);
    }
    to.sort();
    assert_eq!(to, ["b@away.example", "c@away.example"]);
    world.log.wait_count("success:", 2);
    world.log.wait("deferral: 127.0.0.1_does_not_like_recipient./Remote_host_said:_450_come_back/");
    world.log.wait("failure: 127.0.0.1_does_not_like_recipient./Remote_host_said:_550_no_such_user/");
}

#[test]
fn dots_and_lone_line_ends_leave_in_canonical_form() {
    let sink = Sink::start();
    let world = relaying(&sink);
    let mut client = Client::connect(world.address);
    client.say_well("EHLO client.example", "250");
    client.say_well("MAIL FROM:<a@there.example>", "250");
    client.say_well("RCPT TO:<b@away.example>", "250");
    client.say_well("DATA", "354");
    client.send(b"Subject: dots\r\n\r\n..\r\n..x\r\nend\r\n.\r\n");
    assert!(client.hear().starts_with("250"));
    let body = sink.receive().body;
    assert!(body.ends_with(b"\r\n\r\n..\r\n..x\r\nend\r\n"), "{}", String::from_utf8_lossy(&body));
}

#[test]
fn many_messages_all_arrive_once() {
    let sink = Sink::start();
    let world = relaying(&sink);
    let mut client = Client::connect(world.address);
    client.say_well("EHLO client.example", "250");
    for number in 0..100 {
        assert!(
            client
                .transact("a@there.example", &["b@away.example"], &letter(&format!("n{number}.")))
                .starts_with("250")
        );
    }
    let mut subjects: Vec<String> =
        (0..100).map(|_| String::from_utf8_lossy(&sink.receive().body).into_owned()).collect();
    subjects.retain(|text| (0..100).any(|n| text.contains(&format!("Subject: n{n}.\r\n"))));
    assert_eq!(subjects.len(), 100);
    world.wait_empty();
    assert!(sink.waiting().is_empty());
}
