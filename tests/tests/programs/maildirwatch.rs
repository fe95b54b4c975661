//! maildirwatch(1).

use quail_tests::{World, mail};
use std::io::{BufRead, BufReader};
use std::process::Stdio;

#[test]
fn new_mail_is_shown_and_nothing_of_it_steers_the_terminal() {
    let mut world = World::rootless();
    world.start();
    world.deliver(
        "a@there.example",
        &["joe@here.example"],
        "From: Ann\nSubject: hello\x1b[2J\n\nHow are you?\n",
    );
    let maildir = world.home().join("joe/Maildir");
    mail::wait_for(&maildir, 1);
    let mut watch = world
        .program("maildirwatch")
        .env("MAILDIR", &maildir)
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut shown = BufReader::new(watch.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
    assert_eq!(shown.next().expect("a line"), "\x1b[H\x1b[JFROM <a@there.example> TO <joe@here.example>");
    assert_eq!(shown.next().expect("a line"), "\x1b[1mAnn\x1b[0m");
    assert!(shown.next().expect("a line").starts_with("hello_[2J//How are you?/"));
    watch.kill().and_then(|()| watch.wait()).expect("it ends");
}

#[test]
fn without_a_maildir_nothing_is_watched() {
    let world = World::rootless();
    let output = world.program("maildirwatch").output().expect("it runs");
    assert_eq!(
        (output.status.code(), output.stderr),
        (Some(111), b"maildirwatch: fatal: MAILDIR not set\n".to_vec())
    );
}
