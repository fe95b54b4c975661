//! When it does not work at once, or ever.
//!
//!     client ──SMTP──> [ queue ─> send ─> rspawn ─> remote ] ──SMTP──> sink that says 4xx or 5xx
//!                          └── bounce ─> send ─> lspawn ─> local ─> the sender's Maildir

use crate::letter;
use nix::sys::signal::Signal;
use quail_tests::{Sink, World, deadline, mail};

fn with_sink(sink: &Sink) -> World {
    let mut world = World::rootless();
    world.control("smtproutes", &format!("away.example:{}\n", sink.route()));
    world.relay_for_all();
    world
}

/// Sends ALRM again and again, for what is also a matter of seconds passing.
fn ring_until(world: &World, what: &str, mut so: impl FnMut() -> bool) {
    deadline(what, || {
        world.signal(Signal::SIGALRM);
        so()
    });
}

#[test]
fn a_deferred_message_goes_when_the_alarm_says_so() {
    let sink = Sink::start();
    sink.answer("MAIL", "451 not now");
    let mut world = with_sink(&sink);
    world.start();
    world.deliver("joe@here.example", &["b@away.example"], &letter("later"));
    world.log.wait("deferral: Connected_to_127.0.0.1_but_sender_was_rejected.");
    world.log.wait("status: local 0/10 remote 0/20");
    sink.relent();
    world.signal(Signal::SIGALRM);
    assert_eq!(sink.receive().to, ["b@away.example"]);
    world.log.wait("end msg");
    world.wait_empty();
}

#[test]
fn a_deferred_message_survives_a_stop() {
    let sink = Sink::start();
    sink.answer("DATA", "451 not now");
    let mut world = with_sink(&sink);
    world.start();
    world.deliver("joe@here.example", &["b@away.example"], &letter("later"));
    world.log.wait("deferral:");
    world.stop();
    assert_eq!(world.queue_files().len(), 3, "{:?}", world.queue_files());
    sink.relent();
    world.start();
    world.signal(Signal::SIGALRM);
    assert_eq!(sink.receive().to, ["b@away.example"]);
    world.log.wait("end msg");
    world.wait_empty();
}

#[test]
fn a_permanent_failure_comes_back_to_the_senders_maildir() {
    let sink = Sink::start();
    sink.answer("RCPT", "550 5.1.1 nobody by that name");
    let mut world = with_sink(&sink);
    world.start();
    world.deliver("joe@here.example", &["b@away.example"], &letter("never"));
    let texts = mail::wait_for(&world.home().join("joe/Maildir"), 1);
    let bounce = texts.first().expect("one");
    assert!(bounce.starts_with("Return-Path: <>\nDelivered-To: joe@here.example\n"), "{bounce}");
    for part in [
        "From: MAILER-DAEMON@here.example\nTo: joe@here.example\nSubject: failure notice\n",
        "Hi. This is the qmail-send program at here.example.\n",
        "<b@away.example>:\n127.0.0.1 does not like recipient.\nRemote host said: 550 5.1.1 nobody by that name\nGiving up on 127.0.0.1.\n",
        "--- Below this line is a copy of the message.\n",
        "\nSubject: never\n\nHello.\n",
    ] {
        assert!(bounce.contains(part), "{part:?} is not in {bounce}");
    }
    world.log.wait("bounce msg");
    world.wait_empty();
}

#[test]
fn a_bounce_that_bounces_goes_to_the_postmaster() {
    let sink = Sink::start();
    sink.answer("RCPT", "550 nobody");
    let mut world = with_sink(&sink);
    world.control("doublebounceto", "joe\n");
    world.start();
    // Neither end of this message exists.
    world.deliver("nobody@away.example", &["b@away.example"], &letter("never"));
    let texts = mail::wait_for(&world.home().join("joe/Maildir"), 1);
    let bounce = texts.first().expect("one");
    assert!(bounce.starts_with("Return-Path: <#@[]>\n"), "{bounce}");
    assert!(
        bounce.contains("I tried to deliver a bounce message to this address, but the bounce bounced!\n"),
        "{bounce}"
    );
    world.log.wait_count("bounce msg", 2);
    world.wait_empty();
}

#[test]
fn a_triple_bounce_is_discarded() {
    let sink = Sink::start();
    sink.answer("RCPT", "550 nobody");
    let mut world = with_sink(&sink);
    world.control("doublebouncehost", "away.example\n");
    world.start();
    world.deliver("nobody@away.example", &["b@away.example"], &letter("never"));
    world.log.wait("triple bounce: discarding bounce/");
    world.wait_empty();
}

#[test]
fn a_program_that_fails_decides_between_deferral_and_bounce() {
    let mut world = World::rootless();
    world.dot_qmail("joe", "-soft", "|exit 111\n");
    world.dot_qmail("joe", "-hard", "|echo no room; exit 100\n");
    world.start();
    world.deliver("joe@here.example", &["joe-soft@here.example"], &letter("soft"));
    world.log.wait("deferral:");
    world.deliver("joe@here.example", &["joe-hard@here.example"], &letter("hard"));
    world.log.wait("failure: no_room/");
    let texts = mail::wait_for(&world.home().join("joe/Maildir"), 1);
    assert!(texts[0].contains("<joe-hard@here.example>:\nno room\n"), "{texts:?}");
}

#[test]
fn a_message_that_is_too_old_bounces_at_its_next_attempt() {
    let sink = Sink::start();
    sink.answer("MAIL", "451 not now");
    let mut world = with_sink(&sink);
    world.control("queuelifetime", "0\n");
    world.start();
    world.deliver("joe@here.example", &["b@away.example"], &letter("old"));
    // An attempt in the very second of arrival is not too old yet.
    world.log.wait("delivery 1: ");
    let maildir = world.home().join("joe/Maildir");
    ring_until(&world, "the message bounces", || !mail::new_in(&maildir).is_empty());
    let texts = mail::texts(&maildir);
    assert!(
        texts[0].contains("I'm not going to try again; this message has been in the queue too long.\n"),
        "{texts:?}"
    );
}
