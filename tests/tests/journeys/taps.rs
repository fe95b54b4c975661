//! Copies for those whom control/taps names, whichever way a message comes.
//!
//!     swaks ──SMTP──> [ smtpd ─> queued ─┐
//!     sendmail ─────────────────> queued ─┼─> send ─> local ] ─> joe/Maildir, archive/Maildir, audit/Maildir
//!     qmail-inject ──> qmail-queue ───────┘

use crate::letter;
use quail_tests::{World, mail, place, skip, space};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

const TAPS: &str = "F:^boss@there\\.example$:archive@here.example\n\
                    T:(:nobody@here.example\n\
                    T:^JOE@here\\.(example|test)$:audit@here.example\n";

fn world() -> World {
    let mut world = World::rootless();
    world.user("archive");
    world.user("audit");
    world.control("taps", TAPS);
    world.start();
    world
}

fn maildir(world: &World, name: &str) -> PathBuf {
    world.home().join(name).join("Maildir")
}

/// How many messages joe, the archive and the audit have, once everything is delivered.
fn arrived(world: &World) -> [usize; 3] {
    world.wait_empty();
    ["joe", "archive", "audit"].map(|name| mail::texts(&maildir(world, name)).len())
}

#[test]
fn a_message_by_smtp_is_copied_once_for_the_first_line_that_matches() {
    let Some(swaks) = place::program_of("swaks", "swaks") else { return skip("swaks cannot be had") };
    let world = world();
    let send = |from: &str| {
        let mut command = Command::new("perl");
        command.arg(&swaks).args(["--server", &world.address.to_string(), "--to", "joe@here.example"]);
        let output = command.args(["--from", from]).stdin(Stdio::null()).output().expect("perl");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    };
    send("boss@there.example");
    mail::wait_for(&maildir(&world, "archive"), 1);
    world.log.wait("qmail-queued: warning: control/taps line 2: ");
    assert_eq!(arrived(&world), [1, 1, 0]);
    send("a@there.example");
    let audited = mail::wait_for(&maildir(&world, "audit"), 1);
    assert!(
        audited[0].starts_with("Return-Path: <a@there.example>\nDelivered-To: audit@here.example\n"),
        "{audited:?}"
    );
    assert_eq!(arrived(&world), [2, 1, 1]);
    // What is wrong was told once.
    assert_eq!(world.log.count("control/taps"), 1);
    world.control("taps", "T:^joe@:\nT:.:archive@here.example\n");
    send("a@there.example");
    mail::wait_for(&maildir(&world, "joe"), 3);
    assert_eq!(arrived(&world), [3, 1, 1]);
}

#[test]
fn mail_of_this_host_is_copied_with_and_without_the_service() {
    let mut world = world();
    let mut sendmail = world.program("sendmail");
    sendmail.args(["-fa@there.example", "joe@here.example"]);
    let letter_file = world.scratch().join("letter");
    std::fs::write(&letter_file, letter("by sendmail")).expect("a letter");
    let status = sendmail.stdin(std::fs::File::open(&letter_file).expect("the letter")).status();
    assert!(status.expect("sendmail").success());
    mail::wait_for(&maildir(&world, "audit"), 1);
    assert_eq!(arrived(&world), [1, 0, 1]);
    let classic = world.home().join("bin/qmail-queue").display().to_string();
    world.environment("QMAILQUEUE", &classic);
    world.inject(&["-fboss@there.example"], &letter("by qmail-queue"));
    let copies = mail::wait_for(&maildir(&world, "archive"), 1);
    assert!(copies[0].contains("Subject: by qmail-queue\n"), "{copies:?}");
    assert_eq!(arrived(&world), [2, 1, 1]);
}

#[test]
fn while_the_file_cannot_be_read_mail_is_put_off() {
    let world = world();
    std::fs::remove_file(world.home().join("control/taps")).expect("our file");
    std::fs::create_dir(world.home().join("control/taps")).expect("our directory");
    let mut client = world.connect();
    client.say_well("HELO client.example", "250");
    client.say_well("MAIL FROM:<boss@there.example>", "250");
    client.say_well("RCPT TO:<joe@here.example>", "250");
    client.say_well("DATA", "354");
    client.send(b"Subject: later\r\n\r\n.\r\n");
    let reply = client.hear();
    assert!(reply.starts_with("451 qq unable to read configuration"), "{reply}");
    world.log.wait("qmail-queued: warning: no mail is taken: unable to read ");
    std::fs::remove_dir(world.home().join("control/taps")).expect("our directory");
    world.deliver("boss@there.example", &["joe@here.example"], &letter("now"));
    mail::wait_for(&maildir(&world, "joe"), 1);
    assert_eq!(arrived(&world), [1, 0, 0]);
}

#[test]
fn setuid_qmail_queue_makes_copies_for_whoever_calls_it() {
    if !place::is_root() {
        return skip("only root can make a setuid program");
    }
    let mut world = World::as_root();
    world.control("taps", "F:.:ann@here.example\n");
    world.start();
    let file = world.scratch().join("letter");
    std::fs::write(&file, letter("setuid")).expect("a letter");
    let mut inject = world.program("qmail-inject");
    inject.arg("-fa@there.example").env("QMAILQUEUE", "/var/qmail/bin/qmail-queue");
    let status = inject
        .uid(world.accounts().named("joe").uid)
        .stdin(std::fs::File::open(&file).expect("the letter"))
        .status()
        .expect("qmail-inject");
    assert!(status.success());
    for name in ["joe", "ann"] {
        let texts = mail::wait_for(&space::home_of(world.scratch(), name).join("Maildir"), 1);
        let by_joe = format!(" invoked by uid {})", world.accounts().named("joe").uid);
        assert!(texts[0].contains(&by_joe), "{texts:?}");
    }
}
