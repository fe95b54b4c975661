//! No process is started for a message.
//!
//!     client ──SMTP──> [ nothing is forked here ] ─> joe/Maildir/new
//!     client ──SMTP──> [ nothing is forked here ] ──SMTP──> sink

use crate::letter;
use quail_tests::{Client, Sink, World, mail, processes};

const MESSAGES: usize = 50;

/// Sends many messages in one session.
fn send(world: &World, to: &str) {
    let mut client = Client::connect(world.address);
    client.say_well("EHLO client.example", "250");
    for number in 0..MESSAGES {
        assert!(client.transact("a@there.example", &[to], &letter(&number.to_string())).starts_with("250"));
    }
    client.say_well("QUIT", "221");
}

#[test]
fn mail_to_a_maildir_starts_no_process() {
    let mut world = World::rootless();
    world.start();
    let maildir = world.home().join("joe/Maildir");
    world.deliver("a@there.example", &["joe@here.example"], &letter("the first starts the worker"));
    mail::wait_for(&maildir, 1);
    world.wait_empty();
    let before = world.processes();
    send(&world, "joe@here.example");
    mail::wait_for(&maildir, 1 + MESSAGES);
    world.wait_empty();
    let changes = processes::changes(&before, &world.processes());
    assert!(changes.is_empty(), "{MESSAGES} messages: {changes:?}");
}

#[test]
fn mail_to_another_host_starts_no_process() {
    let sink = Sink::start();
    let mut world = World::rootless();
    world.control("smtproutes", &format!("away.example:{}\n", sink.route()));
    world.relay_for_all();
    world.start();
    world.deliver("a@there.example", &["b@away.example"], &letter("the first starts the worker"));
    sink.receive();
    world.wait_empty();
    let before = world.processes();
    send(&world, "b@away.example");
    for _ in 0..MESSAGES {
        sink.receive();
    }
    world.wait_empty();
    let changes = processes::changes(&before, &world.processes());
    assert!(changes.is_empty(), "{MESSAGES} messages: {changes:?}");
}

#[test]
fn the_count_sees_a_process_that_came_and_went() {
    let mut world = World::rootless();
    world.dot_qmail("joe", "", "|true\n");
    world.start();
    world.deliver("a@there.example", &["joe@here.example"], &letter("the first starts the worker"));
    world.wait_empty();
    let before = world.processes();
    world.deliver("a@there.example", &["joe@here.example"], &letter("a program runs"));
    world.log.wait_count("success:", 2);
    world.wait_empty();
    let changes = processes::changes(&before, &world.processes());
    assert!(changes.iter().any(|c| c.contains("qmail-local") && c.ends_with("had children")), "{changes:?}");
}
