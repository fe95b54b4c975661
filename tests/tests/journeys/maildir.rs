//! SMTP to Maildir.
//!
//!     client ──SMTP──> [ smtpd ─> queued ─> queue ─> send ─> lspawn ─> local ] ─> joe/Maildir/new
//!
//! with our own client, curl, swaks and Python's smtplib.

use crate::{letter, running};
use quail_tests::{Client, mail, place, skip};
use std::process::{Command, Stdio};

#[test]
fn a_message_arrives_as_it_was_sent_with_its_trace() {
    let world = running();
    let reply = world.deliver("a@there.example", &["joe@here.example"], &letter("one"));
    let texts = mail::wait_for(&world.home().join("joe/Maildir"), 1);
    let text = texts.first().expect("one message");
    assert!(
        text.starts_with("Return-Path: <a@there.example>\nDelivered-To: joe@here.example\nReceived: "),
        "{text}"
    );
    assert!(text.contains("\nSubject: one\n\nHello.\n"), "{text}");
    assert!(!text.contains('\r'), "{text}");
    let id = reply.trim_end().rsplit(' ').next().expect("the reply ends with a number").to_owned();
    world.log.wait(&format!("new msg {id}"));
    world.log.wait(&format!("end msg {id}"));
    world.wait_empty();
}

#[test]
fn one_session_may_bring_many_messages_to_many_addresses() {
    let mut world = quail_tests::World::rootless();
    world.user("ann");
    world.start();
    let mut client = Client::connect(world.address);
    client.say_well("EHLO client.example", "250");
    for number in 0..20 {
        let reply = client.transact(
            "a@there.example",
            &["joe@here.example", "joe-list@here.example", "ann@here.example"],
            &letter(&number.to_string()),
        );
        assert!(reply.starts_with("250"), "{reply}");
    }
    client.say_well("QUIT", "221");
    // joe-list has no .qmail-list, so joe gets one copy of each and the sender a bounce, which goes nowhere.
    assert_eq!(mail::wait_for(&world.home().join("joe/Maildir"), 20).len(), 20);
    assert_eq!(mail::wait_for(&world.home().join("ann/Maildir"), 20).len(), 20);
    world.log.wait_count("failure:", 20);
}

#[test]
fn strangers_cannot_relay() {
    let world = running();
    let mut client = world.connect();
    client.say_well("HELO client.example", "250");
    client.say_well("MAIL FROM:<a@there.example>", "250");
    client.say_well("RCPT TO:<b@elsewhere.example>", "553");
}

#[test]
fn a_client_that_vanishes_leaves_nothing() {
    let world = running();
    let mut client = world.connect();
    client.say_well("EHLO client.example", "250");
    client.say_well("MAIL FROM:<a@there.example>", "250");
    client.say_well("RCPT TO:<joe@here.example>", "250");
    client.say_well("DATA", "354");
    client.send(b"Subject: half\r\n\r\nand th");
    drop(client);
    world.deliver("a@there.example", &["joe@here.example"], &letter("whole"));
    world.log.wait("end msg");
    world.wait_empty();
    let texts = mail::texts(&world.home().join("joe/Maildir"));
    assert!(texts.len() == 1 && texts[0].contains("Subject: whole"), "{texts:?}");
}

/// Runs a foreign client, which must be content.
fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().expect("it runs");
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

#[test]
fn curl_is_understood() {
    let Some(curl) = place::program_of("curl", "curl") else { return skip("no curl here") };
    let world = running();
    let file = world.scratch().join("letter");
    std::fs::write(&file, letter("by curl").replace('\n', "\r\n") + ".\r\n..dots\r\n").expect("a file");
    run(Command::new(curl)
        .arg(format!("smtp://{}/client.example", world.address))
        .args([
            "--silent",
            "--show-error",
            "--mail-from",
            "a@there.example",
            "--mail-rcpt",
            "joe@here.example",
        ])
        .arg("--upload-file")
        .arg(&file));
    let texts = mail::wait_for(&world.home().join("joe/Maildir"), 1);
    assert!(texts[0].ends_with("Subject: by curl\n\nHello.\n.\n..dots\n"), "{texts:?}");
}

#[test]
fn smtplib_is_understood() {
    let Some(python) = place::program_of("python3", "python3") else { return skip("no python3 here") };
    let world = running();
    let script = format!(
        "import smtplib\ns = smtplib.SMTP('127.0.0.1', {})\ns.ehlo()\nassert s.has_extn('pipelining') and s.has_extn('8bitmime')\n\
         r = s.sendmail('a@there.example', ['joe@here.example'], 'Subject: by smtplib\\n\\n.dot\\n', ['BODY=8BITMIME'])\nassert r == {{}}\ns.quit()\n",
        world.address.port()
    );
    run(Command::new(python).arg("-c").arg(script));
    let texts = mail::wait_for(&world.home().join("joe/Maildir"), 1);
    assert!(texts[0].ends_with("Subject: by smtplib\n\n.dot\n"), "{texts:?}");
}

#[test]
fn swaks_is_understood() {
    let Some(swaks) = place::program_of("swaks", "swaks") else { return skip("swaks cannot be had") };
    let world = running();
    run(Command::new("perl").arg(swaks).args(["--server", &world.address.to_string(), "--pipeline"]).args([
        "--from",
        "a@there.example",
        "--to",
        "joe@here.example",
        "--header",
        "Subject: by swaks",
    ]));
    let texts = mail::wait_for(&world.home().join("joe/Maildir"), 1);
    assert!(texts[0].contains("Subject: by swaks\n"), "{texts:?}");
}
