//! Programs that people name in their `.qmail`.
//!
//!     qmail-inject ─> [ queue ─> send ─> lspawn ─> local ] ─> maildrop | safecat | maildir-filter | bogofilter | dovecot-lda
//!
//! What they see is qmail-command(8): the message on descriptor 0, the environment, and the meaning of their exit codes.

use crate::{Joe, letter};
use quail_tests::peers::{dovecot, package::Package};
use quail_tests::{World, mail};
use std::fs;

/// The mail of those tests.
fn inject(world: &World, to: &str, subject: &str) {
    world.inject(&["-fa@there.example"], &letter(to, subject));
}

#[test]
fn maildrop_sorts_into_a_maildir_that_we_made() {
    let Some(joe) = Joe::new() else { return };
    let mut world = joe.world;
    let Some(maildrop) = Package::lend("maildrop", &world) else { return };
    // It demands a filter that nobody else may read.
    joe.account.write("filter", "if (/^Subject: sort me/)\n\tto \"./sorted\"\nto \"./Maildir\"\n", 0o600);
    joe.account.write(".qmail", &format!("|{} ./filter\n", maildrop.shell("usr/bin/maildrop")), 0o644);
    world.start();
    let mut maildirmake = world.program("maildirmake");
    let status = joe.account.run(&mut maildirmake).arg(joe.account.home.join("sorted")).status();
    assert!(status.expect("maildirmake").success());
    inject(&world, "joe@here.example", "sort me");
    inject(&world, "joe@here.example", "or not");
    let sorted = mail::wait_for(&joe.account.home.join("sorted"), 1);
    assert!(sorted[0].contains("\nSubject: sort me\n") && sorted[0].ends_with("\nHello.\n"), "{sorted:?}");
    let others = mail::wait_for(&joe.account.home.join("Maildir"), 1);
    assert!(others[0].contains("\nSubject: or not\n"), "{others:?}");
    world.wait_empty();
}

#[test]
fn safecat_writes_into_a_maildir_and_its_words_are_in_the_log() {
    let mut world = World::rootless();
    let Some(safecat) = Package::lend("safecat", &world) else { return };
    world.dot_qmail(
        "joe",
        "",
        &format!("|{} ./Maildir/tmp ./Maildir/new\n", safecat.shell("usr/bin/safecat")),
    );
    world.start();
    inject(&world, "joe@here.example", "cat");
    let texts = mail::wait_for(&world.home().join("joe/Maildir"), 1);
    assert!(texts[0].contains("\nSubject: cat\n"), "{texts:?}");
    let name = mail::new_in(&world.home().join("joe/Maildir"))[0].file_name().expect("a name").to_owned();
    world.log.wait(&format!("success: {}/did_0+0+1/", name.display()));
}

#[test]
fn maildir_filter_files_and_ends_or_bounces_or_lets_pass() {
    let mut world = World::rootless();
    let Some(filter) = Package::lend("maildir-filter", &world) else { return };
    let filter = filter.shell("usr/bin/maildir-filter");
    world.dot_qmail(
        "joe",
        "",
        &format!("|{filter} -d ./junk -r 'Subject: file'\n|{filter} -b -d ./junk -r 'Subject: bounce'\n./Maildir/\n"),
    );
    world.user("a");
    world.start();
    let junk = world.home().join("joe/junk");
    assert!(world.program("maildirmake").arg(&junk).status().expect("maildirmake").success());
    for subject in ["keep", "file", "bounce"] {
        world.inject(&["-fa@here.example"], &letter("joe@here.example", subject));
    }
    let bounces = mail::wait_for(&world.home().join("a/Maildir"), 1);
    assert!(bounces[0].contains("\n<joe@here.example>:\n"), "{bounces:?}");
    assert!(bounces[0].contains("\nSubject: bounce\n"), "{bounces:?}");
    world.wait_empty();
    let filed = mail::texts(&junk);
    assert!(filed.len() == 1 && filed[0].contains("\nSubject: file\n"), "{filed:?}");
    // Exit code 99 ended the file: what was filed is not in the Maildir as well.
    let kept = mail::texts(&world.home().join("joe/Maildir"));
    assert!(kept.len() == 1 && kept[0].contains("\nSubject: keep\n"), "{kept:?}");
}

#[test]
fn bogofilter_decides_for_bouncesaying_and_condredirect() {
    let mut world = World::rootless();
    let Some(package) = Package::lend("bogofilter", &world) else { return };
    let (home, program) = (world.home().join("joe"), "usr/bin/bogofilter-bdb");
    let words = home.join("words");
    fs::create_dir(&words).expect("a directory");
    let asked = format!("{} -d {}", package.shell(program), words.display());
    world.dot_qmail("joe", "", &format!("|condredirect joe-junk@here.example {asked}\n./Maildir/\n"));
    world.dot_qmail("joe", "-junk", "./junk/\n");
    world.dot_qmail(
        "joe",
        "-strict",
        &format!("|bouncesaying 'No advertisements, please.' {asked}\n./Maildir/\n"),
    );
    world.user("a");
    world.start();
    let (good, bad) = ("agenda of the meeting", "cheap pills and casino winners");
    let sample = |name: &str, subject: &str| {
        let path = world.scratch().join(name);
        fs::write(&path, letter("joe@here.example", subject)).expect("a sample");
        path
    };
    let samples = [("-n", sample("good", good)), ("-s", sample("bad", bad))];
    for (kind, path) in samples.iter().cycle().take(20) {
        let mut teach = package.command(&world, program);
        teach.arg("-d").arg(&words).arg(kind).stdin(fs::File::open(path).expect("a sample"));
        assert!(teach.status().expect("bogofilter").success());
    }
    assert!(world.program("maildirmake").arg(home.join("junk")).status().expect("maildirmake").success());
    for subject in [good, bad] {
        world.inject(&["-fa@here.example"], &letter("joe@here.example", subject));
        world.inject(&["-fa@here.example"], &letter("joe-strict@here.example", subject));
    }
    let junk = mail::wait_for(&home.join("junk"), 1);
    assert!(junk[0].contains(bad) && junk[0].contains("Delivered-To: joe-junk@here.example\n"), "{junk:?}");
    let bounces = mail::wait_for(&world.home().join("a/Maildir"), 1);
    assert!(bounces[0].contains("<joe-strict@here.example>:\nNo advertisements, please.\n"), "{bounces:?}");
    let kept = mail::wait_for(&home.join("Maildir"), 2);
    assert!(kept.iter().all(|t| t.contains(good)), "{kept:?}");
    world.wait_empty();
}

#[test]
fn dovecot_lda_is_given_its_headers_by_preline() {
    let mut world = World::rootless();
    let Some(dovecot) = Package::lend("dovecot-imapd", &world) else { return };
    let home = world.home().join("joe");
    dovecot::settings(&home);
    let program = dovecot::shell(&dovecot, "lda", "dovecot-lda");
    world.dot_qmail("joe", "", &format!("|preline -f {program} -f \"$SENDER\" -m work\n"));
    world.start();
    inject(&world, "joe@here.example", "lda");
    let texts = mail::wait_for(&home.join("Maildir/.work"), 1);
    assert!(texts[0].contains("Delivered-To: joe@here.example\n"), "{texts:?}");
    assert!(texts[0].contains("Return-Path: <a@there.example>\n"), "{texts:?}");
    assert!(texts[0].contains("\nSubject: lda\n") && texts[0].ends_with("\nHello.\n"), "{texts:?}");
    world.wait_empty();
}

#[test]
fn an_autoresponder_answers_through_our_sendmail() {
    let mut world = World::rootless();
    let Some(maildrop) = Package::lend("maildrop", &world) else { return };
    fs::write(world.home().join("joe/away"), "I am away.\n").expect("a text");
    let mailbot = maildrop.shell("usr/bin/mailbot");
    world.dot_qmail(
        "joe",
        "",
        &format!("|{mailbot} -t ./away -A 'From: joe@here.example' sendmail -t -f ''\n./Maildir/\n"),
    );
    world.user("a");
    world.start();
    let text = letter("joe@here.example", "hello").replace("a@there.example", "a@here.example");
    world.inject(&["-fa@here.example"], &text);
    let answers = mail::wait_for(&world.home().join("a/Maildir"), 1);
    assert!(answers[0].starts_with("Return-Path: <>\n"), "{answers:?}");
    assert!(
        answers[0].contains("\nSubject: Re: hello\n") && answers[0].contains("\nI am away.\n"),
        "{answers:?}"
    );
    assert_eq!(mail::wait_for(&world.home().join("joe/Maildir"), 1).len(), 1);
    world.wait_empty();
}
