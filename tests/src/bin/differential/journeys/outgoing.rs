//! To other hosts, and when that does not work.

use super::arrival::letter;
use crate::Notes;
use crate::ground::Ground;
use nix::sys::signal::Signal;
use quail_tests::mail;

/// The next message at the sink, with its envelope.
fn received(ground: &Ground) -> String {
    let message = ground.sink.receive();
    format!("{} to {:?}\n{}", message.from, message.to, String::from_utf8_lossy(&message.body))
}

pub fn relaying(ground: &mut Ground, notes: &Notes) {
    let route = ground.sink.route();
    ground
        .world
        .control("smtproutes", &format!("away.example:{route}\n.sub.example:{route}\n:127.0.0.1:1\n"));
    ground.world.control("helohost", "helo.here.example\n");
    ground.start();
    ground.send("a@there.example", &["b@away.example"], &letter("relay"));
    notes.add("one", &received(ground));
    ground.send("a@there.example", &["c@x.sub.example"], "Subject: dots\n\n.\n..\n.x\nFrom here\n\n");
    notes.add("dots", &received(ground));
    ground.send("", &["\"b c\"@away.example"], &letter("quoted"));
    notes.add("quoted", &received(ground));
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
    ground.note_queue(notes, "queue");
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
    ground.note_queue(notes, "waiting");
    ground.signal(Signal::SIGALRM);
    let mut texts: Vec<String> = STAGES.iter().map(|_| received(ground)).collect();
    texts.sort();
    notes.add("then", &texts.join("\n"));
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
        ground.world.log.wait_count("end msg", number + 1);
        ground.sink.relent();
    }
    ground.signal(Signal::SIGALRM);
    ground.sink.answer("RCPT TO:<no", "553 no");
    ground.send(
        "ann@here.example",
        &["no1@away.example", "yes@away.example", "no2@away.example", "joe-none@here.example"],
        &letter("some"),
    );
    ground.wait_empty();
    let mut bounces = mail::texts(&ground.maildir("ann"));
    bounces.sort();
    for bounce in bounces {
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
