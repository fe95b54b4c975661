//! What becomes of mail at its destination.
//!
//!     qmail-inject ─> [ queue ─> send ─> lspawn ─> local ] ─> program | mbox | forward ─> queue again
//!
//! and virtual domains, which are prefixes of local addresses.

use crate::{letter, running};
use quail_tests::{World, mail, place, skip};
use std::io::Write;
use std::process::Stdio;

/// Hands a message to qmail-inject.
fn inject(world: &World, arguments: &[&str], text: &str) {
    let mut child =
        world.program("qmail-inject").args(arguments).stdin(Stdio::piped()).spawn().expect("qmail-inject");
    child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("it reads");
    let status = child.wait().expect("it ends");
    assert!(status.success(), "qmail-inject: {status}");
}

#[test]
fn an_injected_message_goes_to_a_program_with_its_environment() {
    let mut world = World::rootless();
    world.dot_qmail("joe", "", "|cat > got; echo \"$SENDER $RECIPIENT $EXT $LOCAL\" > env; echo done\n");
    world.start();
    inject(&world, &["-fa@there.example"], "To: joe@here.example\nSubject: program\n\nHello.\n");
    world.log.wait("success: done/");
    let read = |name: &str| std::fs::read_to_string(world.home().join("joe").join(name)).expect(name);
    assert!(read("got").contains("\nSubject: program\n"), "{}", read("got"));
    assert_eq!(read("env"), "a@there.example joe@here.example  joe\n");
}

#[test]
fn procmail_delivers_what_it_is_given() {
    let Some(procmail) = place::program_of("procmail", "procmail") else {
        return skip("procmail cannot be had");
    };
    let mut world = World::rootless();
    let home = world.home().join("joe");
    std::fs::write(home.join("rc"), format!(":0\n* ^Subject: sort me\n{}/sorted\n", home.display()))
        .expect("rc");
    world.dot_qmail("joe", "", &format!("|{} ./rc\n", world.borrow(&procmail).display()));
    world.start();
    inject(&world, &["-fa@there.example"], "To: joe@here.example\nSubject: sort me\n\nHello.\n");
    world.log.wait("success:");
    let sorted = std::fs::read_to_string(home.join("sorted")).expect("the folder");
    assert!(sorted.contains("Subject: sort me\n"), "{sorted}");
}

#[test]
fn an_mbox_grows_message_by_message() {
    let mut world = World::rootless();
    world.dot_qmail("joe", "", "./Mailbox\n");
    world.start();
    for subject in ["first", "second"] {
        let text = format!("To: joe@here.example\nSubject: {subject}\n\nFrom here\n");
        inject(&world, &["-fa@there.example"], &text);
    }
    world.log.wait_count("success:", 2);
    let mbox = std::fs::read_to_string(world.home().join("joe/Mailbox")).expect("an mbox");
    assert_eq!(mbox.matches("From a@there.example ").count(), 2, "{mbox}");
    assert_eq!(mbox.matches("\n>From here\n\n").count(), 2, "{mbox}");
}

#[test]
fn a_forwarded_message_reaches_the_other_with_the_owner_as_its_sender() {
    let mut world = World::rootless();
    world.user("ann");
    world.dot_qmail("joe", "-list", "&ann@here.example\n");
    world.dot_qmail("joe", "-list-owner", "./Maildir/\n");
    world.start();
    world.deliver("a@there.example", &["joe-list@here.example"], &letter("forward"));
    let texts = mail::wait_for(&world.home().join("ann/Maildir"), 1);
    let text = texts.first().expect("one");
    assert!(text.starts_with("Return-Path: <joe-list-owner@here.example>\n"), "{text}");
    assert!(text.contains("Delivered-To: ann@here.example\n"), "{text}");
    assert!(text.contains("Delivered-To: joe-list@here.example\n"), "{text}");
    world.wait_empty();
}

#[test]
fn a_loop_is_broken_by_its_trace() {
    let mut world = World::rootless();
    world.user("ann");
    world.dot_qmail("joe", "", "ann@here.example\n");
    world.dot_qmail("ann", "", "joe@here.example\n");
    world.control("doublebounceto", "postmaster\n");
    world.start();
    world.deliver("", &["joe@here.example"], &letter("round"));
    world.log.wait("failure: This_message_is_looping");
}

#[test]
fn a_virtual_domain_is_a_users_prefix() {
    let mut world = World::rootless();
    world.control("virtualdomains", "virtual.example:joe-virtual\n");
    world.control("rcpthosts", "here.example\nvirtual.example\n");
    world.dot_qmail("joe", "-virtual-default", "./Maildir/\n");
    world.start();
    world.deliver("a@there.example", &["anybody@virtual.example"], &letter("virtual"));
    let texts = mail::wait_for(&world.home().join("joe/Maildir"), 1);
    assert!(texts[0].contains("Delivered-To: joe-virtual-anybody@virtual.example\n"), "{texts:?}");
    world.log.wait("to local joe-virtual-anybody@virtual.example");
}

#[test]
fn unknown_addresses_belong_to_alias() {
    let world = running();
    std::fs::write(world.home().join("alias/.qmail-default"), "&joe@here.example\n").expect("a file");
    world.own(&world.home().join("alias/.qmail-default"));
    world.deliver("a@there.example", &["whoever@here.example"], &letter("alias"));
    let texts = mail::wait_for(&world.home().join("joe/Maildir"), 1);
    assert!(texts[0].contains("Delivered-To: joe@here.example\n"), "{texts:?}");
}
