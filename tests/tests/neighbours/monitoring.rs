//! Programs that watch a qmail host.
//!
//!     qmail-qstat <── check_mailq (monitoring-plugins) | qmailqstat (munin)
//!     the log ─> tai64n ─> tai64nlocal ─> maillogconvert.pl (awstats)

use crate::letter;
use quail_tests::peers::package::Package;
use quail_tests::{World, mail};
use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};

/// A world with two messages that nobody has looked at.
fn waiting() -> World {
    let mut world = World::rootless();
    world.start();
    world.stop();
    for subject in ["one", "two"] {
        world.inject(&["-fa@there.example"], &letter("joe@here.example", subject));
    }
    world
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn check_mailq_counts_our_queue() {
    let mut world = waiting();
    let Some(package) = Package::lend("monitoring-plugins-standard", &world) else { return };
    // Debian leaves it to the administrator to say where qmail-qstat is: in this file.
    let settings = package.path("usr/lib/nagios/plugins/utils.pm");
    let text = fs::read_to_string(&settings).expect("settings");
    let place = world.home().join("bin/qmail-qstat");
    let text = text
        .replace("$PATH_TO_QMAIL_QSTAT = \"\";", &format!("$PATH_TO_QMAIL_QSTAT = \"{}\";", place.display()));
    fs::remove_file(&settings).and_then(|()| fs::write(&settings, text)).expect("our copy");
    let check = |world: &World, limits: [&str; 2]| {
        let [warning, critical] = limits;
        let output = package
            .command(world, "usr/lib/nagios/plugins/check_mailq")
            .args(["-M", "qmail", "-w", warning, "-c", critical])
            .output()
            .expect("check_mailq");
        (output.status.code(), said(&output))
    };
    let (code, text) = check(&world, ["1", "9"]);
    assert!(code == Some(1) && text.starts_with("WARNING: qmail mailq is 2"), "{code:?} {text}");
    let (code, text) = check(&world, ["1", "2"]);
    assert!(code == Some(2) && text.starts_with("CRITICAL: qmail mailq is 2"), "{code:?} {text}");
    let (code, text) = check(&world, ["5", "9"]);
    assert!(code == Some(0) && text.contains("(2) is below threshold (5/9)"), "{code:?} {text}");
    world.start();
    world.wait_empty();
    let (code, text) = check(&world, ["1", "9"]);
    assert!(code == Some(0) && text.starts_with("OK: qmail-qstat reports queue is empty"), "{code:?} {text}");
}

#[test]
fn munin_draws_our_queue() {
    let mut world = waiting();
    let Some(package) = Package::lend("munin-plugins-core", &world) else { return };
    let values = |world: &World| {
        let output = package
            .command(world, "usr/share/munin/plugins/qmailqstat")
            .env("qmailqstat", world.home().join("bin/qmail-qstat"))
            .output()
            .expect("a plugin");
        said(&output)
    };
    assert_eq!(values(&world), "total.value 2\nnotpreprocessed.value 2\n");
    world.start();
    world.wait_empty();
    assert_eq!(values(&world), "total.value 0\nnotpreprocessed.value 0\n");
}

/// What a program makes of a text.
fn filtered(command: &mut Command, text: &[u8]) -> Vec<u8> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a filter");
    let mut input = child.stdin.take().expect("a pipe");
    let text = text.to_vec();
    let writer = std::thread::spawn(move || input.write_all(&text));
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("a thread").expect("it reads");
    assert!(output.status.success(), "{command:?}: {output:?}");
    output.stdout
}

#[test]
fn awstats_understands_our_log() {
    let mut world = World::rootless();
    let Some(tools) = Package::lend("daemontools", &world) else { return };
    let Some(awstats) = Package::lend("awstats", &world) else { return };
    world.user("ann");
    world.start();
    world.inject(&["-fa@there.example", "joe@here.example"], &letter("joe@here.example", "one"));
    world.inject(&["-fjoe@here.example", "nobody-x@here.example"], &letter("nobody-x@here.example", "two"));
    mail::wait_for(&world.home().join("joe/Maildir"), 2);
    world.wait_empty();
    world.stop();
    world.log.wait("status: exiting");
    let log = world.log.lines().join("\n") + "\n";
    let stamped = filtered(&mut tools.command(&world, "usr/bin/tai64n"), log.as_bytes());
    let dated = filtered(&mut tools.command(&world, "usr/bin/tai64nlocal"), &stamped);
    let mut converter = world.foreign_program("/usr/bin/perl".as_ref());
    converter.arg(awstats.path("usr/share/doc/awstats/examples/maillogconvert.pl")).arg("standard");
    let records = String::from_utf8(filtered(&mut converter, &dated)).expect("text");
    // Fields: date, time, from, to, hosts, protocol, ..., code, size. A bounce is a message from <>.
    let find = |from: &str, to: &str| {
        let is_it = |l: &&str| l.split_whitespace().collect::<Vec<_>>().windows(2).any(|w| w == [from, to]);
        records.lines().find(is_it).unwrap_or_else(|| panic!("no {from} {to} in\n{records}")).to_owned()
    };
    let code = |record: &str| record.split_whitespace().rev().nth(1).map(str::to_owned);
    assert_eq!(code(&find("a@there.example", "joe@here.example")).as_deref(), Some("1"), "{records}");
    assert_eq!(code(&find("joe@here.example", "nobody-x@here.example")).as_deref(), Some("999"), "{records}");
}
