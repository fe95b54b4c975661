//! Writers that are killed at any moment: what is visible is whole, what was accepted is there.

#![allow(clippy::unwrap_used)] // A test that cannot go on says where it stands.

mod installation;

use installation::{Home, Service, program};
use queue::door::Door;
use std::{
    io::Write,
    os::fd::OwnedFd,
    process::{Child, Stdio},
    thread,
};

const MESSAGE: &[u8] = b"Subject: killed\n\nThe end of the message.\n";

/// The same choices at each run.
fn dice(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    }
}

/// qmail-queue with a message on the way in; `long` enough for a kill to find it at work.
fn start(home: &Home, n: usize, body: usize) -> Child {
    let (envelope_end, mut envelope) = std::io::pipe().unwrap();
    let mut command = program(home, env!("CARGO_BIN_EXE_qmail-queue"));
    let mut child = command.stdout(Stdio::from(OwnedFd::from(envelope_end))).spawn().unwrap();
    drop(command);
    let mut message = child.stdin.take().unwrap();
    thread::spawn(move || {
        let _ = message.write_all(&vec![b'.'; body]).and_then(|()| message.write_all(MESSAGE));
        drop(message);
        let _ = envelope.write_all(format!("Fsender{n}@x\0Trecipient@y\0\0").as_bytes());
    });
    child
}

#[test]
fn a_hundred_writers_at_once_of_which_many_are_killed() {
    let home = Home::new();
    let mut roll = dice(1);
    let mut children: Vec<_> = (0..100).map(|n| (n, start(&home, n, (roll() % 200_000) as usize))).collect();
    for (_, child) in &mut children {
        // No clock decides who is killed when: some have ended, some are at work, some have not begun.
        if roll().is_multiple_of(2) {
            let _ = child.kill();
        }
    }
    let accepted: Vec<_> = children
        .into_iter()
        .filter_map(|(n, mut child)| child.wait().unwrap().success().then_some(n))
        .collect();
    let envelopes = home.check(MESSAGE);
    for n in &accepted {
        let sender = format!("Fsender{n}@x\0");
        let found =
            envelopes.iter().filter(|e| e.windows(sender.len()).any(|w| w == sender.as_bytes())).count();
        assert_eq!(found, 1, "message {n}");
    }
    assert!(accepted.len() <= envelopes.len() && envelopes.len() <= 100);
    assert!(accepted.len() >= 30, "{}", accepted.len());
    // A killed writer may leave a message that is not yet queued, for the sweep; never anything in pid.
    assert!(home.names("pid").is_empty());
    assert!(home.litter().len() <= 100 - accepted.len());
}

#[test]
fn a_service_that_is_killed_keeps_what_it_has_accepted() {
    let home = Home::new();
    let mut accepted = 0;
    for round in 0..5 {
        let mut service = Service::start(&home);
        let clients: Vec<_> = (0..10)
            .map(|client| {
                let path = home.path().to_path_buf();
                thread::spawn(move || {
                    let mut accepted = Vec::new();
                    for n in 0.. {
                        let Ok(mut hand_off) = Door::new(&path, None).open() else { break };
                        hand_off.write(MESSAGE);
                        hand_off.sender(format!("{round}.{client}.{n}@x").as_bytes());
                        hand_off.recipient(b"r@y");
                        match hand_off.finish() {
                            Ok(taken) => accepted.push(taken.qp),
                            Err(_) => break, // There is no bin/qmail-queue here to fall back to.
                        }
                    }
                    accepted
                })
            })
            .collect();
        // Once each client has had some answers.
        while home.names("todo").len() < accepted + 50 {
            thread::yield_now();
        }
        service.0.kill().unwrap();
        let todo = |ids: &[u64]| ids.iter().all(|id| home.path().join(format!("queue/todo/{id}")).exists());
        for client in clients {
            let ids = client.join().unwrap();
            assert!(todo(&ids));
            accepted += ids.len();
        }
        let queued = home.check(MESSAGE).len();
        assert!((accepted..=accepted + 10 * (round + 1)).contains(&queued), "{queued} of {accepted}");
    }
}
