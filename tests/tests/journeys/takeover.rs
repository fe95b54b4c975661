//! Queues pass from the original to us.
//!
//!     files as the original left them (vectors/system.jsonl) ─> [ queue ] ─> joe/Maildir | sink
//!
//! Every listing of a queue that was recorded from the original, with whole messages in it, is put into one queue under
//! numbers of their own, beside states of a crash that no listing shows.

use quail_tests::{Sink, World, mail};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Recorded files of one message: directory to content.
type Recorded = BTreeMap<String, Vec<u8>>;

/// The listings of queues in the recorded scenarios that hold one whole message.
fn recorded() -> Vec<(String, Recorded)> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/system.jsonl");
    let text = std::fs::read_to_string(file).expect("the vectors");
    let mut found = Vec::new();
    for case in text.lines().map(|l| serde_json::from_str::<Value>(l).expect("a case")) {
        let name = case["id"].as_str().expect("an id").to_owned();
        if case.get("differs").is_some() {
            continue;
        }
        for step in case["expect"]["steps"].as_array().into_iter().flatten() {
            let Some(listing) = step["queue"].as_object() else { continue };
            let files: Recorded = listing
                .iter()
                .filter_map(|(path, content)| {
                    Some((path.split('/').next()?.to_owned(), bytes(content.as_str()?)))
                })
                .collect();
            if files.contains_key("mess") && (files.contains_key("info") || files.contains_key("todo")) {
                found.push((name.clone(), files));
            }
        }
    }
    found
}

/// One byte per character, and the masks filled in.
fn bytes(text: &str) -> Vec<u8> {
    let filled =
        text.replace("{UID}", "0").replace("{PID}", "99").replace("{DATE}", "1 Jan 2024 00:00:00 -0000");
    filled.chars().map(|c| u8::try_from(u32::from(c)).expect("Latin-1")).collect()
}

/// Writes the files of one message under this number.
fn put(world: &World, number: u64, files: &Recorded) {
    for (directory, content) in files {
        let hashed = ["mess", "info", "local", "remote"].contains(&directory.as_str());
        let name = if hashed {
            format!("{directory}/{}/{number}", number % 23)
        } else {
            format!("{directory}/{number}")
        };
        std::fs::write(world.home().join("queue").join(name), content).expect("a queue file");
    }
}

/// The recipients of these records that are still to be served.
fn waiting(records: &[u8]) -> Vec<String> {
    let records = records.split(|&b| b == 0).filter_map(|r| r.strip_prefix(b"T"));
    records.map(|r| String::from_utf8_lossy(r).into_owned()).collect()
}

#[test]
fn every_recorded_state_is_taken_over_and_delivered() {
    let sink = Sink::start();
    let mut world = World::rootless();
    world.control("locals", "here.example\nlocal.example\n");
    world.control("smtproutes", &format!("far.example:{}\n", sink.route()));
    let cases = recorded();
    assert!(cases.len() >= 9, "only {} listings", cases.len());
    let (mut local, mut remote, mut bounces) = (0, Vec::new(), 0);
    for (number, (_, files)) in (1000u64..).zip(&cases) {
        put(&world, number, files);
        for directory in ["local", "remote", "todo"] {
            for recipient in waiting(files.get(directory).map_or(&[], Vec::as_slice)) {
                if recipient.ends_with("@far.example") { remote.push(recipient) } else { local += 1 }
            }
        }
        bounces += usize::from(files.contains_key("bounce"));
    }
    assert!(local >= 2 && remote.len() >= 5 && bounces >= 1, "{local} {remote:?} {bounces}");
    world.start();
    let mut arrived = Vec::new();
    while arrived.len() < remote.len() {
        let message = sink.receive();
        assert_eq!(message.from, "joe@local.example");
        arrived.extend(message.to);
    }
    arrived.sort();
    remote.sort();
    assert_eq!(arrived, remote);
    let texts = mail::wait_for(&world.home().join("joe/Maildir"), local + bounces);
    assert_eq!(texts.len(), local + bounces, "{texts:?}");
    // What the original had already written of a bounce stands in it.
    let bounce = texts.iter().find(|t| t.starts_with("Return-Path: <>")).expect("a bounce");
    let recorded =
        "<hard@far.example>:\n192.0.2.9 does not like recipient.\nRemote host said: 550-no\n550 such user\n";
    assert!(bounce.contains(recorded), "{bounce}");
    world.log.wait_count("end msg", cases.len() + bounces);
    world.wait_empty();
    assert!(sink.waiting().is_empty(), "nothing goes twice, and nothing to recipients that were done");
}

#[test]
fn what_a_crash_of_the_original_leaves_is_taken_over() {
    let mut world = World::rootless();
    let message =
        b"Received: (qmail 99 invoked by uid 0); 1 Jan 2024 00:00:00 -0000\nSubject: crash\n\nbody\n"
            .to_vec();
    let envelope = b"u0\0p99\0Fa@there.example\0Tjoe@here.example\0".to_vec();
    let state = |files: &[(&str, &[u8])]| -> Recorded {
        let all = [("mess", message.as_slice())].into_iter().chain(files.iter().copied());
        all.map(|(d, c)| (d.to_owned(), c.to_vec())).collect()
    };
    // S4, with and without intd; and with an S5 that was being written, in part or whole.
    put(&world, 2001, &state(&[("todo", &envelope), ("intd", &envelope)]));
    put(&world, 2002, &state(&[("todo", &envelope)]));
    put(&world, 2003, &state(&[("todo", &envelope), ("info", b"Fa@there")]));
    put(
        &world,
        2004,
        &state(&[("todo", &envelope), ("info", b"Fa@there.example\0"), ("local", b"Tjoe@here.example\0")]),
    );
    // S5, whole; and with its only recipient done, but for the end.
    put(&world, 2005, &state(&[("info", b"Fa@there.example\0"), ("local", b"Tjoe@here.example\0")]));
    put(&world, 2006, &state(&[("info", b"Fa@there.example\0"), ("local", b"Djoe@here.example\0")]));
    put(&world, 2007, &state(&[("info", b"Fa@there.example\0")]));
    // S2 and S3: the sender was never told that these were accepted.
    put(&world, 2008, &state(&[]));
    put(&world, 2009, &state(&[("intd", b"u0\0p99\0Fa@there.ex")]));
    // Names that are no numbers are nobody's business.
    std::fs::write(world.home().join("queue/todo/.x"), b"x").expect("a stray file");
    world.start();
    mail::wait_for(&world.home().join("joe/Maildir"), 5);
    world.log.wait_count("end msg", 7);
    let left = ["intd/2009", "mess/7/2008", "mess/8/2009", "todo/.x"];
    quail_tests::deadline("only what may lie about is left", || world.queue_files() == left);
    assert_eq!(mail::texts(&world.home().join("joe/Maildir")).len(), 5);
}
