//! `qmail-lspawn`'s loop against workers that behave, and workers that do not.
//!
//! The program under `bin/qmail-local` is this very test, which then plays the part that the recipient's home names:
//!
//! ```text
//! test --command pipe--> service (thread) --socket--> test --worker, once for each home
//!      <--report pipe---
//! ```

#![allow(
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test, which clippy cannot tell: it has a main of its own"
)]

mod bench;

use std::collections::BTreeSet;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use bench::{Bench, children, write_program};
use contracts::local_worker::{Answer, Delivery, Errand, TEXT_MAX_BYTES, decode_request};
use contracts::recipients::Mailbox;
use contracts::spawn::Outcome;
use spawner::local::WORKERS_MAX;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("--worker") => return play_worker(),
        Some("--") => return play_classic(&arguments),
        // What the test runner of the workspace may ask.
        Some("--list") if arguments.iter().any(|a| a == "--ignored") => return,
        Some("--list") => return TESTS.iter().for_each(|(name, _)| println!("{name}: test")),
        _ => {}
    }
    let wanted =
        |name: &str| arguments.iter().find(|a| !a.starts_with('-')).is_none_or(|a| name.contains(a.as_str()));
    for (name, test) in TESTS.iter().filter(|(name, _)| wanted(name)) {
        test();
        println!("test {name} ... ok");
    }
}

const TESTS: &[(&str, fn())] = &[
    ("one_worker_makes_all_deliveries_of_an_owner", one_worker_makes_all_deliveries_of_an_owner),
    ("each_owner_has_a_worker_of_his_own", each_owner_has_a_worker_of_his_own),
    ("more_owners_than_workers_are_served", more_owners_than_workers_are_served),
    ("a_row_of_owners_leaves_workers_to_who_comes_back", a_row_of_owners_leaves_workers_to_who_comes_back),
    ("a_hostile_worker_harms_its_own_deliveries_only", a_hostile_worker_harms_its_own_deliveries_only),
    ("a_worker_that_never_answers_delays_nobody_else", a_worker_that_never_answers_delays_nobody_else),
    ("a_worker_that_leaves_as_it_is_asked_is_replaced", a_worker_that_leaves_as_it_is_asked_is_replaced),
    (
        "a_program_that_does_not_say_hello_is_run_for_each_delivery",
        a_program_that_does_not_say_hello_is_run_for_each_delivery,
    ),
    ("a_script_is_run_for_each_delivery", a_script_is_run_for_each_delivery),
    (
        "a_lookup_that_cannot_be_made_defers_and_a_script_is_run_for_each",
        a_lookup_that_cannot_be_made_defers_and_a_script_is_run_for_each,
    ),
    ("questions_are_answered_by_who_would_deliver", questions_are_answered_by_who_would_deliver),
    ("the_last_report_leaves_before_the_service", the_last_report_leaves_before_the_service),
];

// The tests.

fn one_worker_makes_all_deliveries_of_an_owner() {
    let mut bench = Bench::new(&["good"]);
    let mut pids = BTreeSet::new();
    for round in 0..10 {
        (0..20).for_each(|slot| bench.deliver(slot, &format!("good-{round}@x")));
        for report in bench.reports(20).into_values() {
            assert_eq!(report.outcome, Outcome::Delivered);
            pids.insert(report.text);
        }
    }
    assert_eq!(pids.len(), 1, "200 deliveries, and every one by the same process: {pids:?}");
    bench.end();
}

fn each_owner_has_a_worker_of_his_own() {
    let mut bench = Bench::new(&["good", "good2", "good3"]);
    for slot in 0..30 {
        bench.deliver(slot, ["good@x", "good2@x", "good3@x"][usize::from(slot) % 3]);
    }
    let pids: BTreeSet<_> = bench.reports(30).into_values().map(|report| report.text).collect();
    assert_eq!(pids.len(), 3);
    bench.end();
}

fn more_owners_than_workers_are_served() {
    let names: Vec<String> = (0..WORKERS_MAX + 20).map(|n| format!("good{n}")).collect();
    let mut bench = Bench::new(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for name in &names {
        bench.deliver(0, &format!("{name}@x"));
        assert_eq!(bench.reports(1)[&0].outcome, Outcome::Delivered);
    }
    // Those that had no place any more were asked to leave; give the last of them its moment.
    let start = std::time::Instant::now();
    while children().len() > WORKERS_MAX {
        assert!(start.elapsed().as_secs() < 10, "{} workers", children().len());
        std::thread::yield_now();
    }
    bench.end();
}

fn a_row_of_owners_leaves_workers_to_who_comes_back() {
    let names: Vec<String> = (0..12).map(|n| format!("good{n}")).collect();
    let mut bench = Bench::with_workers(&names.iter().map(String::as_str).collect::<Vec<_>>(), 8);
    let mut pids = BTreeSet::new();
    for _ in 0..2 {
        for name in &names {
            bench.deliver(0, &format!("{name}@x"));
            let report = bench.reports(1).remove(&0).unwrap();
            assert_eq!(report.outcome, Outcome::Delivered);
            pids.insert(report.text);
        }
    }
    // Seven of them find the same worker again, five share the eighth place.
    assert_eq!(pids.len(), 12 + 5, "{pids:?}");
    bench.end();
}

fn a_hostile_worker_harms_its_own_deliveries_only() {
    let hostile = [
        "wrong-number",
        "short",
        "huge-text",
        "huge-packet",
        "twice",
        "unasked",
        "hangs-up",
        "dies",
        "attaches",
    ];
    let mut bench = Bench::new(&[&["good"][..], &hostile].concat());
    for (round, part) in hostile.into_iter().enumerate() {
        let even = |slot: u16| slot.is_multiple_of(2);
        for slot in 0..8 {
            bench.deliver(slot, &if even(slot) { "good@x".into() } else { format!("{part}@x") });
        }
        for (slot, report) in bench.reports(8) {
            let text = String::from_utf8_lossy(&report.text).into_owned();
            match (even(slot), part) {
                (true, _) => assert_eq!(report.outcome, Outcome::Delivered, "{part}, round {round}"),
                // These may do what they like with their own mail, and nothing else.
                (false, "twice" | "attaches") if report.outcome == Outcome::Delivered => {}
                (false, _) => {
                    assert_eq!(
                        (report.outcome, &text[..]),
                        (Outcome::Deferred, "qmail-local crashed.\n"),
                        "{part}"
                    );
                }
            }
        }
    }
    bench.end();
}

fn a_worker_that_never_answers_delays_nobody_else() {
    let mut bench = Bench::new(&["never", "good"]);
    bench.deliver(0, "never@x");
    bench.deliver(1, "never@x");
    for round in 0..20 {
        bench.deliver(2, &format!("good-{round}@x"));
        assert_eq!(bench.reports(1)[&2].outcome, Outcome::Delivered);
    }
    let pid = bench.wait_for_file("never/pid");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid.parse().unwrap()), nix::sys::signal::SIGKILL)
        .unwrap();
    let texts: Vec<_> = bench.reports(2).into_values().map(|report| report.text).collect();
    assert_eq!(texts, [b"qmail-local crashed.\n"; 2]);
    // The next delivery gets a new one.
    std::fs::remove_file(bench.home().join("never/pid")).unwrap();
    bench.deliver(0, "never@x");
    let next = bench.wait_for_file("never/pid");
    assert_ne!(next, pid);
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(next.parse().unwrap()), nix::sys::signal::SIGKILL)
        .unwrap();
    bench.reports(1);
    bench.end();
}

fn a_worker_that_leaves_as_it_is_asked_is_replaced() {
    let mut bench = Bench::new(&["leaves"]);
    for _ in 0..5 {
        bench.deliver(0, "leaves@x");
        assert_eq!(bench.reports(1)[&0].outcome, Outcome::Delivered);
    }
    bench.end();
}

fn a_program_that_does_not_say_hello_is_run_for_each_delivery() {
    for mode in ["mute", "babble"] {
        let mut bench = Bench::new(&["good"]);
        std::fs::write(bench.home().join("mode"), mode).unwrap();
        for slot in 0..5 {
            bench.deliver(slot, "good-ext@dom");
        }
        for report in bench.reports(5).into_values() {
            let text = String::from_utf8(report.text).unwrap();
            let home = bench.home().join("good").display().to_string();
            assert_eq!(
                text,
                format!("classic good {home} good-ext - ext dom s@x ./Mailbox body\n"),
                "{mode}"
            );
        }
        bench.end();
    }
}

fn a_script_is_run_for_each_delivery() {
    let mut bench = Bench::new(&["good"]);
    std::fs::remove_file(bench.home().join("bin/qmail-local")).unwrap();
    let script = "#!/bin/sh\nshift; echo \"$3 $$\"; cat >&2; exit 100\n";
    write_program(&bench.home().join("bin/qmail-local"), script);
    (0..5).for_each(|slot| bench.deliver(slot, "good-ext@dom"));
    let reports = bench.reports(5);
    assert!(
        reports
            .values()
            .all(|report| report.outcome == Outcome::Failed && report.text.ends_with(b"\nbody\n"))
    );
    assert_eq!(reports.values().map(|report| &report.text).collect::<BTreeSet<_>>().len(), 5);
    bench.end();
}

fn a_lookup_that_cannot_be_made_defers_and_a_script_is_run_for_each() {
    let mut bench = Bench::new(&["good"]);
    std::os::unix::fs::symlink(std::env::current_exe().unwrap(), bench.home().join("bin/qmail-getpw"))
        .unwrap();
    std::fs::remove_file(bench.home().join("bin/qmail-getpw")).unwrap();
    // Without the program: deferred, and nobody's mail bounces.
    bench.deliver(0, "stranger@x");
    let report = bench.reports(1).remove(&0).unwrap();
    assert_eq!((report.outcome, &report.text[..]), (Outcome::Deferred, &b"Unable to run qmail-getpw.\n"[..]));
    // A script in its place is run for each lookup, and its exit code counts.
    write_program(
        &bench.home().join("bin/qmail-getpw"),
        "#!/bin/sh\n[ \"$1\" = stranger ] || exit 116\nprintf 'good\\0001\\0001\\000%s\\000-\\000x\\000' \"$PWD/good\"\n",
    );
    bench.deliver(0, "stranger@x");
    bench.deliver(1, "nobody@x");
    let reports = bench.reports(2);
    assert_eq!(reports[&0].outcome, Outcome::Delivered);
    assert_eq!(reports[&1].text, b"Unable to find alias user!\n");
    bench.end();
}

fn questions_are_answered_by_who_would_deliver() {
    let mut bench = Bench::new(&["good"]);
    write_program(&bench.home().join("bin/qmail-getpw"), "#!/bin/sh\nexit 111\n");
    assert_eq!(bench.ask("good@x"), Mailbox::Present);
    assert_eq!(bench.ask("good-new@x"), Mailbox::Present);
    assert_eq!(bench.ask("good-nothing@x"), Mailbox::Absent);
    assert_eq!(bench.ask("@x"), Mailbox::Present);
    // No process is started for each lookup, or for each question.
    assert_eq!(bench.ask("stranger@x"), Mailbox::Unknown);
    bench.deliver(0, "good@x");
    assert_eq!(bench.reports(1)[&0].outcome, Outcome::Delivered);
    write_program(&bench.home().join("bin/qmail-local"), "#!/bin/sh\nexit 100\n");
    while bench.ask("good-nothing@x") != Mailbox::Unknown {}
    bench.end();
}

fn the_last_report_leaves_before_the_service() {
    let mut bench = Bench::new(&["good"]);
    (0..100).for_each(|slot| bench.deliver(slot, "good@x"));
    drop(bench.commands.take());
    assert_eq!(bench.reports(100).len(), 100);
    bench.end();
}

// The parts that the program under test's bin/ plays. Its directory is the installation.

fn play_classic(arguments: &[String]) {
    let mut body = String::new();
    std::io::stdin().read_to_string(&mut body).unwrap();
    print!("classic {} {body}", arguments[1..].join(" "));
}

fn play_worker() {
    let socket = os::process::inherited_fd(0).unwrap();
    let send = |packet: &[u8]| os::packet::send(socket.as_fd(), packet, None);
    match std::fs::read_to_string("mode").as_deref() {
        Ok("mute") => return,
        Ok("babble") => {
            send(b"220 ready").unwrap();
            return;
        }
        _ => send(contracts::HELLO).unwrap(),
    }
    let mut buffer = vec![0; 1 << 16];
    loop {
        let received = os::packet::receive(socket.as_fd(), &mut buffer).unwrap();
        if received.length == 0 {
            return;
        }
        let (number, errand, delivery) = decode_request(&buffer[..received.length]).unwrap();
        assert_eq!(received.attached.is_some(), errand == Errand::Deliver);
        if errand == Errand::Check {
            let exit = if delivery.ext.starts_with(b"no") { 100 } else { 0 };
            send(&Answer { number, exit, text: Vec::new() }.encode()).unwrap();
            continue;
        }
        if !play_part(&delivery, number, &socket) {
            return;
        }
    }
}

/// False: leave.
fn play_part(delivery: &Delivery, number: u32, socket: &OwnedFd) -> bool {
    let send = |packet: &[u8]| drop(os::packet::send(socket.as_fd(), packet, None));
    let home = Path::new(std::str::from_utf8(&delivery.home).unwrap());
    let text = format!("pid {}\n", std::process::id()).into_bytes();
    let good = Answer { number, exit: 0, text }.encode();
    let with_text = |length: usize| [&number.to_le_bytes()[..], &[0], &vec![b'x'; length]].concat();
    match home.file_name().unwrap().to_str().unwrap() {
        "wrong-number" => send(&Answer { number: number.wrapping_add(1000), exit: 0, text: vec![] }.encode()),
        "short" => send(&good[..3]),
        "huge-text" => send(&with_text(TEXT_MAX_BYTES + 1)),
        "huge-packet" => send(&with_text(100_000)),
        "twice" => (0..2).for_each(|_| send(&good)),
        "unasked" => (0..100)
            .for_each(|n: u32| send(&Answer { number: n ^ 0x8000_0000, exit: 0, text: vec![] }.encode())),
        "attaches" => {
            let _ = os::packet::send(socket.as_fd(), &good, Some(std::io::stdin().as_fd()));
        }
        "hangs-up" => return false,
        "dies" => std::process::abort(),
        "never" => {
            std::fs::write(home.join("pid.new"), std::process::id().to_string()).unwrap();
            std::fs::rename(home.join("pid.new"), home.join("pid")).unwrap();
        }
        "leaves" => {
            // As an idle worker goes: nothing more is taken, what was taken is answered.
            nix::sys::socket::shutdown(
                std::os::fd::AsRawFd::as_raw_fd(socket),
                nix::sys::socket::Shutdown::Read,
            )
            .unwrap();
            send(&good);
            return false;
        }
        _ => send(&good),
    }
    true
}
