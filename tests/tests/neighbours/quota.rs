//! Others keep the same quota in the same file.
//!
//!     qmail-inject ─> [ queue ─> local ] ─> joe/Maildir/maildirsize <── deliverquota (Courier), dovecot-lda, Dovecot's IMAP

use crate::imap::Session;
use crate::letter;
use quail_tests::peers::{dovecot, package::Package};
use quail_tests::{World, mail};
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the message files in a Maildir have in all: bytes and number.
fn held(maildir: &Path) -> (i64, i64) {
    let files = mail::new_in(maildir);
    let bytes: u64 = files.iter().map(|path| path.metadata().expect("a message").size()).sum();
    (i64::try_from(bytes).expect("few"), i64::try_from(files.len()).expect("few"))
}

/// What `maildirsize` says: its first line, and the sums.
fn told(maildir: &Path) -> (String, (i64, i64)) {
    let text = fs::read_to_string(maildir.join("maildirsize")).expect("maildirsize");
    let mut lines = text.lines();
    let definition = lines.next().expect("a definition").to_owned();
    let sum = lines.fold((0, 0), |(bytes, messages), line| {
        let numbers: Vec<i64> = line.split_whitespace().map(|word| word.parse().expect("a number")).collect();
        (bytes + numbers[0], messages + numbers[1])
    });
    (definition, sum)
}

/// A file of joe's.
fn write(world: &World, path: &Path, text: &str) {
    fs::write(path, text).expect("joe's home");
    world.own(path);
}

/// Runs another's deliverer on a letter, as joe: its exit code.
fn run(world: &World, mut command: Command, subject: &str) -> i32 {
    let path = world.scratch().join(subject);
    fs::write(&path, letter("joe@here.example", subject)).expect("a letter");
    let home = world.home().join("joe");
    command.current_dir(&home).env("HOME", &home).stdin(File::open(path).expect("the letter"));
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("it runs");
    status.code().expect("it ends by itself")
}

fn send(world: &World, subject: &str) {
    world.inject(&["-fa@here.example"], &letter("joe@here.example", subject));
}

fn remove_one(maildir: &Path) {
    fs::remove_file(&mail::new_in(maildir)[0]).expect("a message");
}

fn maildir(world: &World) -> PathBuf {
    world.home().join("joe/Maildir")
}

#[test]
fn maildrop_and_we_keep_one_quota() {
    let mut world = World::rootless();
    let Some(maildrop) = Package::lend("maildrop", &world) else { return };
    let maildir = maildir(&world);
    world.own_all();
    let mut make = maildrop.command(&world, "usr/bin/maildirmake.maildrop");
    assert!(make.args(["-q", "100000S,4C"]).arg(&maildir).status().expect("maildirmake").success());
    world.user("a");
    world.start();
    let theirs = |subject: &str| {
        let mut command = maildrop.command(&world, "usr/sbin/deliverquota.maildrop");
        command.arg("./Maildir");
        run(&world, command, subject)
    };
    send(&world, "ours-1");
    mail::wait_for(&maildir, 1);
    assert_eq!(told(&maildir), ("100000S,4C".to_owned(), held(&maildir)));
    assert_eq!(theirs("theirs-1"), 0);
    send(&world, "ours-2");
    mail::wait_for(&maildir, 3);
    assert_eq!(theirs("theirs-2"), 0);
    assert_eq!(told(&maildir), ("100000S,4C".to_owned(), held(&maildir)));
    // Full, for both.
    assert_eq!(theirs("theirs-3"), 77);
    send(&world, "ours-3");
    world.log.wait("failure: User_over_quota._(#5.1.1)/");
    let bounces = mail::wait_for(&world.home().join("a/Maildir"), 1);
    assert!(bounces[0].contains("\n<joe@here.example>:\nUser over quota. (#5.1.1)\n"), "{bounces:?}");
    assert_eq!(held(&maildir).1, 4);
    // Somebody who knows nothing of quotas makes room. The sum of ours, then of theirs, has to be thrown away.
    remove_one(&maildir);
    write(&world, &maildir.join("maildirsize"), "100000S,4C\n100 2\n100 2\n");
    send(&world, "ours-4");
    mail::wait_for(&maildir, 4);
    assert_eq!(told(&maildir).1, held(&maildir));
    remove_one(&maildir);
    assert_eq!(theirs("theirs-4"), 0);
    assert_eq!(told(&maildir), ("100000S,4C".to_owned(), held(&maildir)));
    assert_eq!(theirs("theirs-5"), 77);
    world.wait_empty();
}

#[test]
fn dovecot_and_we_keep_one_quota() {
    let mut world = World::rootless();
    let Some(package) = Package::lend("dovecot-imapd", &world) else { return };
    let (maildir, home) = (maildir(&world), world.home().join("joe"));
    dovecot::settings(&home);
    dovecot::add_quota(&package, &home);
    // Nobody has counted yet.
    write(&world, &maildir.join("maildirsize"), "2000S\n");
    world.start();
    let lda = |subject: &str| {
        let mut shell = world.foreign_program("/bin/sh".as_ref());
        let program = dovecot::shell(&package, "lda", "dovecot-lda");
        shell.args(["-c", &format!("exec {program} -e -f a@there.example")]).env("USER", "joe");
        run(&world, shell, subject)
    };
    send(&world, "ours-1");
    mail::wait_for(&maildir, 1);
    assert_eq!(told(&maildir), ("2000S".to_owned(), held(&maildir)));
    assert_eq!(lda("theirs-1"), 0);
    send(&world, "ours-2");
    mail::wait_for(&maildir, 3);
    assert_eq!(told(&maildir), ("2000S".to_owned(), held(&maildir)));
    // It believes our sums, and we believe its removal of one.
    let mut session = Session::start(&world, &package);
    let shown = session.say("GETQUOTAROOT INBOX");
    // In units of 1024 bytes, begun ones count.
    let begun = (held(&maildir).0 + 1023) / 1024;
    assert!(shown.contains(&format!("(STORAGE {begun} 2)")), "{shown}");
    session.say("SELECT INBOX");
    session.say("STORE 1 +FLAGS (\\Deleted)");
    session.say("EXPUNGE");
    session.end();
    let in_cur: u64 = fs::read_dir(maildir.join("cur"))
        .expect("a Maildir")
        .map(|entry| entry.expect("an entry").metadata().expect("a message").len())
        .sum();
    let (bytes, messages) = (i64::try_from(in_cur).expect("few"), 2);
    assert_eq!(told(&maildir).1, (bytes, messages));
    // Ours fills it up; neither takes more.
    let fill = "x".repeat(usize::try_from(2000 - bytes - 150).expect("room"));
    world.inject(&["-fa@there.example"], &format!("To: joe@here.example\nSubject: {fill}\n\n"));
    world.log.wait("User_over_quota._(#5.1.1)/");
    write(&world, &maildir.join("maildirsize"), "1500S\n1500 3\n");
    assert_eq!(lda("theirs-2"), 77);
    send(&world, "ours-3");
    world.log.wait_count("User_over_quota._(#5.1.1)/", 2);
}
