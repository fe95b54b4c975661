//! qmail-send as its peers see it: log lines, commands, files in the queue.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // A test that cannot go on says where it stands.

mod world;

use contracts::spawn::Command;
use nix::sys::signal::Signal;
use world::World;

/// What becomes of a delivery is written in the recipient's local part.
fn by_name(command: &Command) -> Option<&'static [u8]> {
    Some(match command.recipient.as_slice() {
        name if name.starts_with(b"soft") => b"Zlater\n",
        name if name.starts_with(b"hard") => b"Dnever\n",
        name if name.starts_with(b"odd") => b"?what\n",
        name if name.starts_with(b"silent") => return None,
        _ => b"Kdone\n",
    })
}

#[test]
fn one_message_to_one_recipient_leaves_nothing_behind() {
    let mut world = World::new();
    world.start(by_name);
    world.wait_for("status: local 0/10", 1);
    let id = world.inject("s@x", &["joe@here.example"]);
    world.wait_for("end msg", 1);
    assert_eq!(world.stop(), Some(0));
    assert_eq!(
        world.log,
        [
            "status: local 0/10 remote 0/20".to_owned(),
            format!("new msg {id}"),
            format!("info msg {id}: bytes 21 from <s@x> qp 8 uid 7"),
            format!("starting delivery 1: msg {id} to local joe@here.example"),
            "status: local 1/10 remote 0/20".to_owned(),
            "delivery 1: success: done/".to_owned(),
            "status: local 0/10 remote 0/20".to_owned(),
            format!("end msg {id}"),
            "status: exiting".to_owned(),
        ]
    );
    assert!(world.files().is_empty(), "{:?}", world.files());
}

#[test]
fn a_deferred_message_is_kept_as_the_original_keeps_it_and_alrm_makes_it_due() {
    let mut world = World::new();
    world.start(by_name);
    let id = world.inject("s@x", &["soft@far.example"]);
    world.wait_for("delivery 1: deferral: later/", 1);
    // It waits from the moment at which S5 is complete.
    world.wait_until_gone(&format!("todo/{id}"));
    world.inject("s@x", &["poke@here.example"]);
    world.wait_for("end msg", 1);
    world.signal(Signal::SIGALRM);
    world.wait_for("delivery 3: deferral: later/", 1);
    assert_eq!(world.stop(), Some(0));
    let (files, hash) = (world.files(), id % world::SPLIT);
    assert_eq!(files[&format!("info/{hash}/{id}")], b"Fs@x\0");
    assert_eq!(files[&format!("remote/{hash}/{id}")], b"Tsoft@far.example\0");
    assert_eq!(files.len(), 3, "{files:?}");
}

#[test]
fn several_recipients_are_marked_and_the_failed_one_is_in_the_bounce_file() {
    let mut world = World::new();
    world.control("concurrencyremote", "1\n");
    world.start(by_name);
    let id = world.inject("s@x", &["ok@far.example", "hard@far.example", "soft@far.example"]);
    world.wait_for("delivery 3:", 1);
    assert_eq!(world.stop(), Some(0));
    let (files, hash) = (world.files(), id % world::SPLIT);
    assert_eq!(
        files[&format!("remote/{hash}/{id}")],
        b"Dok@far.example\0Dhard@far.example\0Tsoft@far.example\0"
    );
    assert_eq!(files[&format!("bounce/{id}")], b"<hard@far.example>:\nnever\n\n");
}

#[test]
fn a_message_without_recipients_ends() {
    let mut world = World::new();
    world.start(by_name);
    world.inject("s@x", &[]);
    world.wait_for("end msg", 1);
    assert_eq!(world.stop(), Some(0));
    assert!(world.files().is_empty());
}

#[test]
fn a_bare_nul_in_the_trigger_asks_for_a_scan() {
    let mut world = World::new();
    world.start(by_name);
    world.wait_for("status:", 1);
    for _ in 0..10 {
        world.put("s@x", &["joe@here.example"]);
    }
    world.trigger(b"\0");
    world.wait_for("end msg", 10);
    assert_eq!(world.stop(), Some(0));
    assert!(world.files().is_empty());
}

#[test]
fn a_failure_is_bounced_by_the_queue_program() {
    let mut world = World::new();
    let out = world.home.path().join("bounced");
    let program = world.home.path().join("qq");
    let script = format!("#!/bin/sh\ncat >{0}.m; cat <&1 >{0}.e\nexit 0\n", out.display());
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    world.start_with(by_name, &[120], &[("QMAILQUEUE", program.to_str().unwrap())]);
    let id = world.inject("joe@here.example", &["hard@far.example"]);
    world.wait_for("end msg", 1);
    assert_eq!(world.stop(), Some(0));
    assert!(world.log.iter().any(|line| line.starts_with(&format!("bounce msg {id} qp "))));
    let bounce = std::fs::read_to_string(out.with_extension("m")).unwrap();
    assert!(bounce.contains("\nFrom: MAILER-DAEMON@mx.example\nTo: joe@here.example\n"), "{bounce}");
    assert!(bounce.contains("\n<hard@far.example>:\nnever\n\n--- Below this line"), "{bounce}");
    assert!(bounce.ends_with("Return-Path: <joe@here.example>\nReceived: test\n\nbody\n"), "{bounce}");
    assert_eq!(std::fs::read(out.with_extension("e")).unwrap(), b"F\0Tjoe@here.example\0\0");
    assert!(world.files().is_empty(), "{:?}", world.files());
}

#[test]
fn a_kill_in_the_middle_of_five_hundred_messages_loses_none() {
    let mut world = World::new();
    world.start(by_name);
    for number in 0..500 {
        let recipient = format!("u{number}@here.example");
        world.inject("s@x", &[&recipient, "two@far.example"][..1 + number % 2]);
    }
    world.wait_for("end msg", 50);
    world.kill();
    let number = |name: &String| name.rsplit('/').next().unwrap().to_owned();
    let alive = |name: &&String| name.starts_with("todo/") || name.starts_with("info/");
    let left: std::collections::BTreeSet<_> = world.files().keys().filter(alive).map(number).collect();
    world.log.clear();
    world.start(by_name);
    // Even if nothing is left: a TERM before the start has ended would just kill it.
    world.wait_for("status:", 1);
    world.wait_for("end msg", left.len());
    assert_eq!(world.stop(), Some(0));
    // A message file alone is what the kill left of a finished message; the sweep takes it after 36 hours.
    let files = world.files();
    assert!(files.keys().all(|name| name.starts_with("mess/")), "{files:?}");
}

#[test]
fn a_spawner_that_does_not_greet_stops_the_start() {
    let mut world = World::new();
    world.control("concurrencylocal", "3\n");
    world.start_with(|_| None, &[], &[]);
    assert_eq!(world.end(), Some(111));
    assert_eq!(world.log, ["alert: cannot start: hath the daemon spawn no fire?"]);
}

#[test]
fn concurrency_is_capped_by_the_greeting() {
    let mut world = World::new();
    world.start_with(by_name, &[5], &[]);
    world.wait_for("status: local 0/5 remote 0/5", 1);
    assert_eq!(world.stop(), Some(0));
}

#[test]
fn a_slow_first_attempt_moves_to_s5_while_it_is_in_flight() {
    let mut world = World::new();
    world.start(by_name);
    let id = world.inject("s@x", &["silent@far.example"]);
    world.wait_for("starting delivery 1", 1);
    world.wait_until_gone(&format!("todo/{id}"));
    let hash = id % world::SPLIT;
    let files = world.files();
    assert_eq!(files[&format!("info/{hash}/{id}")], b"Fs@x\0");
    assert_eq!(files[&format!("remote/{hash}/{id}")], b"Tsilent@far.example\0");
}

#[test]
fn new_mail_does_not_wait_for_two_thousand_that_wait_for_their_time() {
    let mut world = World::new();
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(100_000);
    for id in 1_000_000_000..1_000_002_000u64 {
        let name = |place: &str| world.queue().join(format!("{place}/{}/{id}", id % world::SPLIT));
        std::fs::write(name("mess"), b"x").unwrap();
        std::fs::write(name("info"), b"Fs@x\0").unwrap();
        std::fs::write(name("remote"), b"Tsoft@far.example\0").unwrap();
        let file = std::fs::File::options().write(true).open(name("remote")).unwrap();
        file.set_modified(later).unwrap();
    }
    world.start(by_name);
    world.inject("s@x", &["joe@here.example"]);
    world.wait_for("end msg", 1);
    assert_eq!(world.stop(), Some(0));
    assert_eq!(world.log.iter().filter(|line| line.starts_with("starting")).count(), 1);
    // The times were written back as they were.
    let file = world.queue().join(format!("remote/{}/1000000000", 1_000_000_000 % world::SPLIT));
    let kept = file.metadata().unwrap().modified().unwrap();
    assert!(kept > std::time::SystemTime::now() + std::time::Duration::from_secs(90_000));
}

#[test]
fn a_bounce_that_nobody_takes_is_given_up_after_the_lifetime() {
    let mut world = World::new();
    world.control("queuelifetime", "10\n");
    let program = world.home.path().join("qq");
    let tries = world.home.path().join("tries");
    std::fs::write(&program, format!("#!/bin/sh\ncat >/dev/null; cat <&1 >>{}\nexit 31\n", tries.display()))
        .unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::write(world.queue().join("mess/1/100"), b"x\n").unwrap();
    std::fs::write(world.queue().join("info/1/100"), b"Fjoe@here.example\0").unwrap();
    let bounce = world.queue().join("bounce/100");
    std::fs::write(&bounce, b"<gone@x>:\nold\n\n").unwrap();
    let file = std::fs::File::options().write(true).open(&bounce).unwrap();
    file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(1000)).unwrap();
    world.start_with(by_name, &[120], &[("QMAILQUEUE", program.to_str().unwrap())]);
    world.wait_for("end msg 100", 1);
    assert_eq!(world.stop(), Some(0));
    assert!(world.log.iter().any(|line| line == "unwanted bounce: discarding bounce/100"), "{:?}", world.log);
    assert_eq!(std::fs::read(tries).unwrap(), b"F\0Tjoe@here.example\0\0F#@[]\0Tpostmaster@mx.example\0\0");
    assert!(world.files().is_empty());
}

#[test]
fn a_spawner_that_dies_ends_the_manager_in_good_order() {
    let mut world = World::new();
    world.start(|command| {
        if command.recipient.starts_with(b"die") { panic!("as the test wants") } else { Some(b"Kok\n") }
    });
    world.inject("s@x", &["die@here.example"]);
    assert_eq!(world.end(), Some(0));
    assert!(
        world.log.contains(&"alert: oh no! lost spawn connection! dying...".to_owned()),
        "{:?}",
        world.log
    );
    assert_eq!(world.log.last().unwrap(), "status: exiting");
    assert!(world.files().keys().any(|name| name.starts_with("todo/")), "it is still queued");
}

#[test]
fn every_failure_of_a_long_list_is_in_its_bounce_once() {
    let mut world = World::new();
    let names: Vec<String> = (0..300).map(|n| format!("hard{n}@far.example")).collect();
    let recipients: Vec<&str> = names.iter().map(String::as_str).collect();
    let program = world.home.path().join("qq");
    let out = world.home.path().join("bounced");
    std::fs::write(&program, format!("#!/bin/sh\ncat >{}; cat <&1 >/dev/null\n", out.display())).unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    world.start_with(by_name, &[120], &[("QMAILQUEUE", program.to_str().unwrap())]);
    world.inject("s@x", &recipients);
    world.wait_for("end msg", 1);
    assert_eq!(world.stop(), Some(0));
    let bounce = std::fs::read_to_string(out).unwrap();
    for name in names {
        assert_eq!(bounce.matches(&format!("<{name}>:\nnever\n\n")).count(), 1, "{name}");
    }
    assert!(world.files().is_empty(), "{:?}", world.files());
}
