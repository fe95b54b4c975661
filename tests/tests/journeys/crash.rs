//! Power failures, or what comes nearest.
//!
//!     client ──SMTP──> [ everything is killed at once, and started again ] ─> joe/Maildir/new

use crate::letter;
use nix::sys::signal::Signal;
use quail_tests::{World, mail};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

const MESSAGES: usize = 1000;

/// Sends until something breaks; gives the subjects that were accepted.
fn send_until_broken(world: &World, from: usize, to: usize) -> Vec<usize> {
    let mut accepted = Vec::new();
    let Ok(stream) = TcpStream::connect(world.address) else { return accepted };
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time limit");
    let mut stream = BufReader::new(stream);
    let hear = |stream: &mut BufReader<TcpStream>, wanted: u8| {
        let mut line = Vec::new();
        stream.read_until(b'\n', &mut line).is_ok() && line.first() == Some(&wanted)
    };
    let transaction = |stream: &mut BufReader<TcpStream>, number: usize| {
        for line in ["MAIL FROM:<a@there.example>\r\n", "RCPT TO:<joe@here.example>\r\n", "DATA\r\n"] {
            stream.get_mut().write_all(line.as_bytes()).ok()?;
            hear(stream, if line.starts_with("DATA") { b'3' } else { b'2' }).then_some(())?;
        }
        let text = letter(&format!("n{number}.")).replace('\n', "\r\n") + ".\r\n";
        stream.get_mut().write_all(text.as_bytes()).ok()?;
        hear(stream, b'2').then_some(number)
    };
    let mut greeting = Vec::new();
    let _ = stream.read_until(b'\n', &mut greeting);
    let _ = stream.get_mut().write_all(b"HELO client.example\r\n");
    let _ = stream.read_until(b'\n', &mut greeting);
    for number in from..to {
        match transaction(&mut stream, number) {
            Some(number) => accepted.push(number),
            None => break,
        }
    }
    accepted
}

#[test]
fn killing_everything_in_the_middle_of_a_thousand_messages_loses_none() {
    let mut world = World::rootless();
    world.start();
    let mut accepted = Vec::new();
    for round in 0..4 {
        let (from, to) = (round * MESSAGES / 4, (round + 1) * MESSAGES / 4);
        let sent = std::thread::scope(|scope| {
            let senders: Vec<_> = (0..4)
                .map(|part| {
                    let step = (to - from) / 4;
                    let world = &world;
                    scope
                        .spawn(move || send_until_broken(world, from + part * step, from + (part + 1) * step))
                })
                .collect();
            // The blow falls while they talk: once a good part of this round has been delivered.
            world.log.wait_count("success:", 60);
            world.kill_programs();
            senders.into_iter().flat_map(|s| s.join().expect("a sender")).collect::<Vec<_>>()
        });
        accepted.extend(sent);
        world.kill_all();
        world.start();
    }
    // What waits for its next attempt because its delivery was cut off goes now.
    world.signal(Signal::SIGALRM);
    world.wait_all_done();
    let mut copies: BTreeMap<usize, usize> = BTreeMap::new();
    for text in mail::texts(&world.home().join("joe/Maildir")) {
        let number = text.split("Subject: n").nth(1).and_then(|rest| rest.split('.').next()?.parse().ok());
        *copies.entry(number.expect("whole messages only")).or_default() += 1;
    }
    let lost: Vec<_> = accepted.iter().filter(|n| !copies.contains_key(n)).collect();
    assert!(lost.is_empty(), "accepted and lost: {lost:?}");
    assert!(accepted.len() >= MESSAGES / 5, "only {} were accepted: the blow fell too early", accepted.len());
    // A crash may repeat only what was in flight, and what had ended and was not written down: at most ten local deliveries
    // in flight and four times as many results (decision 31), four crashes.
    let repeated: usize = copies.values().map(|n| n - 1).sum();
    assert!(repeated <= 4 * (10 + 4 * 10), "{repeated} were delivered twice");
}
