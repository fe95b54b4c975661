//! To other hosts, and when that does not work.

use super::arrival::letter;
use crate::Notes;
use crate::ground::{Ground, in_order};
use nix::sys::signal::Signal;
use quail_tests::mail;

pub fn relaying(ground: &mut Ground, notes: &Notes) {
    let route = ground.sink.route();
    ground
        .world
        .control("smtproutes", &format!("away.example:{route}\n.sub.example:{route}\n:127.0.0.1:1\n"));
    ground.world.control("helohost", "helo.here.example\n");
    ground.start();
    ground.send("a@there.example", &["b@away.example"], &letter("relay"));
    notes.add("one", &ground.received());
    ground.send("a@there.example", &["c@x.sub.example"], "Subject: dots\n\n.\n..\n.x\nFrom here\n\n");
    notes.add("dots", &ground.received());
    ground.send("", &["\"b c\"@away.example"], &letter("quoted"));
    notes.add("quoted", &ground.received());
    ground.send("a@there.example", &["b@AWAY.example", "c@away.example", "b@away.example"], &letter("three"));
    let mut three = Vec::new();
    while three.len() < 3 {
        three.extend(ground.sink.receive().to);
    }
    three.sort();
    notes.add("three", &three.join("\n"));
    ground.send("a@there.example", &["d@other.example"], &letter("refused"));
    ground.world.log.wait("deferral:");
    ground.wait_calm("delivery ", 7);
    ground.note_log(notes);
    ground.note_queue(notes, "queue", 1);
}

/// What a server may say, by stage.
const STAGES: [(&str, &str); 6] = [
    ("GREETING", "greeting"),
    ("HELO", "HELO"),
    ("MAIL", "MAIL"),
    ("RCPT", "RCPT"),
    ("DATA", "DATA"),
    ("BODY", "end"),
];

pub fn deferrals(ground: &mut Ground, notes: &Notes) {
    ground.start();
    for (number, (stage, name)) in STAGES.into_iter().enumerate() {
        ground.sink.answer(stage, &format!("451 4.3.0 not now {name}"));
        if stage == "HELO" {
            ground.sink.answer("EHLO", "502 what");
        }
        ground.send("ann@here.example", &[&format!("{name}@away.example")], &letter(name));
        ground.wait_calm("delivery ", number + 1);
        ground.sink.relent();
    }
    ground.note_log(notes);
    ground.note_queue(notes, "waiting", STAGES.len());
    ground.signal(Signal::SIGALRM);
    notes.add("then", &ground.received_many(STAGES.len()));
    ground.wait_empty();
}

pub fn failures(ground: &mut Ground, notes: &Notes) {
    ground.start();
    for (number, (stage, name)) in STAGES.into_iter().enumerate() {
        ground.sink.answer(stage, &format!("550-5.7.1 never\r\n550 5.7.1 {name}"));
        if stage == "HELO" {
            ground.sink.answer("EHLO", "502 what");
        }
        ground.send("ann@here.example", &[&format!("{name}@away.example")], &letter(name));
        // A message that has failed ends, and so does its bounce; one that was not let in waits.
        match number {
            0 | 1 => ground.wait_calm("delivery ", number + 1),
            _ => ground.wait_calm("end msg", 2 * (number - 1)),
        }
        ground.sink.relent();
    }
    // Who is not let in tries again.
    ground.signal(Signal::SIGALRM);
    notes.add("then", &ground.received_many(2));
    ground.wait_empty();
    ground.sink.answer("RCPT TO:<no", "553 no");
    ground.send(
        "ann@here.example",
        &["no1@away.example", "yes@away.example", "no2@away.example", "joe-none@here.example"],
        &letter("some"),
    );
    ground.wait_empty();
    for bounce in mail::texts(&ground.maildir("ann")) {
        let bounce = in_order(&bounce);
        notes.add(&format!("bounce: {}", subject(&bounce)), &bounce);
    }
    ground.note_log(notes);
}

/// The subject of the message that a bounce is about.
fn subject(bounce: &str) -> &str {
    bounce.rsplit("\nSubject: ").next().and_then(|rest| rest.lines().next()).unwrap_or("none")
}

pub fn double_bounces(ground: &mut Ground, notes: &Notes) {
    ground.world.control("bouncefrom", "mailer\n");
    ground.world.control("bouncehost", "bounce.example\n");
    ground.world.control("doublebounceto", "ann\n");
    ground.world.control("doublebouncehost", "here.example\n");
    ground.start();
    ground.sink.answer("RCPT", "550 nobody");
    ground.send("nobody@away.example", &["b@away.example"], &letter("double"));
    ground.note_mail(notes, "ann", 1);
    ground.wait_empty();
    ground.stop();
    ground.world.control("doublebouncehost", "away.example\n");
    ground.start();
    ground.send("nobody@away.example", &["b@away.example"], &letter("triple"));
    ground.world.log.wait("triple bounce: discarding");
    ground.wait_empty();
    ground.note_log(notes);
}

pub fn expiry(ground: &mut Ground, notes: &Notes) {
    ground.world.control("queuelifetime", "0\n");
    ground.sink.answer("MAIL", "451 not now");
    ground.write("ann", ".qmail-soft", "|exit 111\n", 0o600);
    ground.start();
    ground.send("joe@here.example", &["b@away.example", "ann-soft@here.example"], &letter("old"));
    let maildir = ground.maildir("joe");
    quail_tests::deadline("it is too old", || {
        ground.signal(Signal::SIGALRM);
        std::thread::park_timeout(std::time::Duration::from_millis(100));
        !mail::new_in(&maildir).is_empty()
    });
    ground.note_mail(notes, "joe", 1);
    ground.wait_empty();
}
