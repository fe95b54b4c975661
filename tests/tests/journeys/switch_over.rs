//! To us and back again, under load.
//!
//!     sendmail, SMTP ─> tcpserver ─> [ queue ] <─ qmail-send: the original's | ours | the original's | ...
//!
//! Nobody who sends notices: sendmail and tcpserver's qmail-smtpd stay what they are, whoever empties the queue. The
//! original is a simulated one here ([`quail_tests::peers::simulated`]); `cargo xtask differential` does the same with a
//! real one.

use nix::sys::signal::Signal;
use quail_tests::peers::{simulated::Simulated, ucspi::Tcpserver};
use quail_tests::traffic::{AWAY, Traffic};
use quail_tests::{Sink, World, deadline};

/// How often the installation goes to us and back.
const ROUNDS: usize = 20;

/// Messages accepted before the next change of hands.
const MESSAGES: usize = 4;

/// A world that sends for [`AWAY`] to the sink, with a tcpserver of its own.
fn world(sink: &Sink) -> Option<(World, Tcpserver)> {
    let mut world = World::rootless();
    world.user("ann");
    world.control("smtproutes", &format!("{AWAY}:{}\n", sink.route()));
    world.start();
    world.stop();
    let smtpd = world.home().join("bin/qmail-smtpd").display().to_string();
    let server = Tcpserver::before(&world, &[("RELAYCLIENT", "")], &[&smtpd])?;
    Some((world, server))
}

/// Lets ours deliver what is left, and counts copies.
fn settle(world: &mut World, sink: &Sink, traffic: Traffic) -> (Vec<String>, Vec<String>) {
    let expected = traffic.finish(sink);
    world.launch();
    deadline("no message waits", || {
        world.signal(Signal::SIGALRM);
        let is_waiting = |f: &String| ["todo/", "info/"].iter().any(|d| f.starts_with(d));
        !world.queue_files().iter().any(is_waiting)
    });
    let (messages, copies) = expected.size();
    assert!(messages >= 2 * ROUNDS && copies > messages, "only {messages} messages with {copies} copies");
    let maildir = |name: &str| world.home().join(name).join("Maildir");
    expected.compare(&maildir("joe"), &maildir("ann"), sink)
}

#[test]
fn twenty_times_to_us_and_back_under_load_loses_and_doubles_nothing() {
    let sink = Sink::start();
    let Some((mut world, server)) = world(&sink) else { return };
    let traffic = Traffic::start(&world.caller(), server.address, &sink);
    let mut finished = 0;
    for _ in 0..ROUNDS {
        let original = Simulated::start(world.home(), world.caller());
        traffic.wait_more(MESSAGES);
        deadline("the original has delivered something", || original.done() >= 2);
        finished += original.done();
        original.stop();
        world.launch();
        traffic.wait_more(MESSAGES);
        world.log.wait("success: ");
        world.stop_supervised();
        world.log.wait("status: exiting");
    }
    let (missing, extra) = settle(&mut world, &sink, traffic);
    assert!(missing.is_empty() && extra.is_empty(), "missing {missing:?}, too often {extra:?}");
    assert!(finished >= 2 * ROUNDS);
}

#[test]
fn killing_us_at_every_change_of_hands_repeats_only_what_was_in_flight() {
    let sink = Sink::start();
    let Some((mut world, server)) = world(&sink) else { return };
    let traffic = Traffic::start(&world.caller(), server.address, &sink);
    let mut in_flight = 0;
    for _ in 0..ROUNDS / 4 {
        let original = Simulated::start(world.home(), world.caller());
        traffic.wait_more(MESSAGES);
        original.stop();
        world.launch();
        traffic.wait_more(MESSAGES);
        world.log.wait("success: ");
        world.kill_supervised();
        // A report that was written and not yet marked counts as well: ten places for local, twenty for remote deliveries.
        in_flight += 30;
    }
    let (missing, extra) = settle(&mut world, &sink, traffic);
    assert!(missing.is_empty(), "missing {missing:?}");
    assert!(extra.len() <= in_flight, "too often: {extra:?}");
}
