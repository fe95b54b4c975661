//! As root: /var/qmail, seven accounts, and users who are other people.
//!
//!     client ──SMTP──> [ qmaild ─> qmailq ─> qmails ─> root ─> joe ] ─> joe's Maildir
//!
//! In a private mount name space with private account files; the machine's own are not touched.

use crate::letter;
use quail_tests::{World, mail, place, skip, space};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::process::Stdio;

/// A started world as root; `None`, said aloud, for anybody else.
fn as_root() -> Option<World> {
    if !place::is_root() {
        skip("only root can make a /var/qmail with seven accounts");
        return None;
    }
    let mut world = World::as_root();
    world.start();
    Some(world)
}

#[test]
fn every_program_runs_as_its_own_account() {
    let Some(world) = as_root() else { return };
    let maildir = space::home_of(world.scratch(), "joe").join("Maildir");
    world.deliver("a@there.example", &["joe@here.example"], &letter("root"));
    let texts = mail::wait_for(&maildir, 1);
    assert!(
        texts[0].starts_with("Return-Path: <a@there.example>\nDelivered-To: joe@here.example\n"),
        "{texts:?}"
    );
    let file = mail::new_in(&maildir).pop().expect("one message");
    let metadata = file.metadata().expect("it is there");
    assert_eq!((metadata.uid(), metadata.mode() & 0o7777), (world.accounts().named("joe").uid, 0o600));
    let uid = |pid: i32| std::fs::metadata(format!("/proc/{pid}")).map(|m| m.uid());
    let mut seen = Vec::new();
    for (pid, process) in world.processes() {
        let account = match process.name.as_str() {
            "qmail-smtpd" => world.accounts().named("qmaild").uid,
            "qmail-queued" | "qmail-clean" => world.accounts().named("qmailq").uid,
            "qmail-send" => world.accounts().named("qmails").uid,
            "qmail-rspawn" | "qmail-remote" => world.accounts().named("qmailr").uid,
            "qmail-local" => world.accounts().named("joe").uid,
            "qmail-getpw" => world.accounts().named("qmailp").uid,
            "qmail-lspawn" | "quail-start" => 0,
            other => panic!("who is {other}?"),
        };
        assert_eq!(uid(pid).ok(), Some(account), "{} runs as somebody else", process.name);
        seen.push(process.name);
    }
    for name in [
        "qmail-smtpd",
        "qmail-queued",
        "qmail-clean",
        "qmail-send",
        "qmail-rspawn",
        "qmail-lspawn",
        "qmail-local",
    ] {
        assert!(seen.iter().any(|s| s == name), "{name} is not among {seen:?}");
    }
}

#[test]
fn a_user_injects_through_the_setuid_program_when_the_service_is_away() {
    if !place::is_root() {
        return skip("only root can make a setuid program");
    }
    let mut world = World::as_root();
    world.start();
    world.stop();
    let joe = world.accounts().named("joe").clone();
    let mut command = world.program("qmail-inject");
    std::os::unix::process::CommandExt::uid(&mut command, joe.uid)
        .args(["-fjoe@here.example", "ann@here.example"]);
    let mut child = command.stdin(Stdio::piped()).spawn().expect("qmail-inject");
    child.stdin.take().expect("a pipe").write_all(b"Subject: setuid\n\nHello.\n").expect("it reads");
    assert!(child.wait().expect("it ends").success());
    let queued = world.queue_files();
    let file = queued.iter().find(|f| f.starts_with("mess/")).expect("a message");
    let owner = world.home().join("queue").join(file).metadata().expect("it is there").uid();
    assert_eq!(owner, world.accounts().named("qmailq").uid);
    world.start();
    let texts = mail::wait_for(&space::home_of(world.scratch(), "ann").join("Maildir"), 1);
    assert!(texts[0].contains(&format!(" invoked by uid {});", joe.uid)), "{texts:?}");
}

#[test]
fn a_user_cannot_read_anothers_mail_nor_the_queue() {
    let Some(world) = as_root() else { return };
    let program = space::home_of(world.scratch(), "joe").join(".qmail");
    let (ann, queue) = (space::home_of(world.scratch(), "ann").join("Maildir"), "/var/qmail/queue/mess");
    std::fs::write(&program, format!("|ls {} {queue} 2>&1 | grep -c denied; id -u\n", ann.display()))
        .expect("a file");
    std::os::unix::fs::chown(&program, Some(world.accounts().named("joe").uid), None).expect("root may");
    world.deliver("a@there.example", &["joe@here.example"], &letter("curious"));
    world.log.wait(&format!("success: 2/{}/did_0+0+1/", world.accounts().named("joe").uid));
}
