//! Programs that send by our `sendmail`.
//!
//!     mutt | mail ─> sendmail ─> [ queue ─> local ] ─> joe/Maildir

use crate::Joe;
use quail_tests::peers::package::Package;
use quail_tests::{World, mail};
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

/// Runs it with this text on descriptor 0; it must be content.
fn run(command: &mut Command, text: &str) {
    let mut child = command.stdin(Stdio::piped()).spawn().expect("it starts");
    child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("it reads");
    let status = child.wait().expect("it ends");
    assert!(status.success(), "{command:?}: {status}");
}

#[test]
fn mutt_sends_by_our_sendmail() {
    let Some(joe) = Joe::new() else { return };
    let mut world = joe.world;
    let Some(mutt) = Package::lend("mutt", &world) else { return };
    world.start();
    let set = format!(
        "set sendmail=\"{}/bin/sendmail -oem -oi\"\nset from=joe@here.example\nset use_envelope_from=yes\nset copy=no\n",
        world.inside().display()
    );
    joe.account.write("muttrc", &set, 0o644);
    let mut command = mutt.command(&world, "usr/bin/mutt");
    joe.account.run(&mut command).arg("-n").arg("-F").arg(joe.account.home.join("muttrc"));
    let text = "Hello.\n.\nto you\n";
    run(command.args(["-s", "by mutt", "-b", "joe-b@here.example", "--", "joe@here.example"]), text);
    // The blind copy's address has no .qmail and comes back to its sender.
    let texts = mail::wait_for(&joe.account.home.join("Maildir"), 2);
    let copy = texts.iter().find(|t| t.starts_with("Return-Path: <joe@here.example>\n")).expect("the copy");
    assert!(copy.contains("\nSubject: by mutt\n") && copy.ends_with(text), "{copy}");
    world.log.wait("to local joe-b@here.example");
    assert!(texts.iter().all(|t| !t.to_lowercase().contains("\nbcc:")), "{texts:?}");
    world.wait_empty();
}

#[test]
fn mail_sends_by_our_sendmail() {
    let mut world = World::rootless();
    let Some(package) = Package::lend("bsd-mailx", &world) else { return };
    world.user("ann");
    world.start();
    let settings = world.scratch().join("mailrc");
    fs::write(&settings, format!("set sendmail={}\n", world.home().join("bin/sendmail").display()))
        .expect("settings");
    let mut command = package.command(&world, "usr/bin/bsd-mailx");
    command.env("MAILRC", &settings).env("HOME", world.home().join("joe")).env("USER", "joe");
    run(command.args(["-s", "by mail", "-c", "ann@here.example", "joe@here.example"]), "Hello.\n");
    for name in ["joe", "ann"] {
        let texts = mail::wait_for(&world.home().join(name).join("Maildir"), 1);
        assert!(texts[0].contains("\nSubject: by mail\n") && texts[0].ends_with("\nHello.\n"), "{texts:?}");
        assert!(texts[0].contains("\nCc: ann@here.example\n"), "{texts:?}");
    }
    world.wait_empty();
}
