//! Mail that goes where `/etc/aliases` and `.forward` files say.
//!
//!     client ──SMTP──> [ Quail ] ─> |fastforward ─> queue again ─> joe, a program
//!                                └> |dot-forward ─> queue again ─> ann; next line of .qmail

use crate::letter;
use quail_tests::{World, mail, place, skip, space};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// A world where the addresses joe-anything are looked up in aliases, by this fastforward.
fn with_aliases(fastforward: impl FnOnce(&World) -> String) -> World {
    let mut world = World::rootless();
    world.user("ann");
    let home = world.home().display().to_string();
    let text = format!(
        "Postmaster: joe, ann@here.example\nlist: :include:{home}/list\nowner-list: joe\n\
         logger: \"|cat >{home}/joe/logged\"\nbroken: |exit 100\n"
    );
    std::fs::write(world.home().join("aliases"), text).expect("aliases");
    std::fs::write(world.home().join("list"), "ann, nobody@here.example\n").expect("a list");
    world.own_all();
    for (program, name) in [("newaliases", "aliases"), ("newinclude", "list")] {
        let done = world.program(program).arg(world.home().join(name)).status().expect("it runs");
        assert!(done.success(), "{program}: {done}");
    }
    let fastforward = fastforward(&world);
    world.dot_qmail("joe", "-default", &format!("|{fastforward} -d {home}/aliases.cdb\n"));
    world.start();
    world
}

fn ours(world: &World) -> String {
    world.home().join("bin/fastforward").display().to_string()
}

#[test]
fn aliases_lead_to_people_programs_lists_and_bounces() {
    let world = with_aliases(ours);
    let maildir = |name: &str| world.home().join(name).join("Maildir");
    world.deliver("a@there.example", &["joe-postmaster@here.example"], &letter("alias"));
    for name in ["joe", "ann"] {
        let texts = mail::wait_for(&maildir(name), 1);
        assert!(texts[0].starts_with("Return-Path: <a@there.example>\n"), "{texts:?}");
        assert!(texts[0].contains("Delivered-To: joe-postmaster@here.example\n"), "{texts:?}");
    }
    world.deliver("a@there.example", &["joe-logger@here.example"], &letter("program"));
    world.log.wait_count("success:", 4);
    let logged = std::fs::read_to_string(world.home().join("joe/logged")).expect("it was logged");
    assert!(logged.starts_with("From a@there.example ") && logged.contains("Subject: program\n"), "{logged}");
    // ann gets it; the bounce of nobody goes to the owner, who is joe.
    world.deliver("a@there.example", &["joe-list@here.example"], &letter("list"));
    assert!(mail::wait_for(&maildir("ann"), 2).concat().contains("Return-Path: <owner-list@here.example>\n"));
    world.log.wait("bounce msg ");
    world.deliver("joe@here.example", &["joe-unknown@here.example"], &letter("unknown"));
    let bounced = mail::wait_for(&maildir("joe"), 2).concat();
    assert!(bounced.contains("Sorry, no mailbox here by that name. (#5.1.1)\n"), "{bounced}");
}

#[test]
fn etc_aliases_of_a_host_leads_from_postmaster_over_root_to_a_person() {
    if !place::is_root() {
        return skip("only root can make an account alias");
    }
    let mut world = World::as_root();
    let aliases = world.home().join("aliases");
    std::fs::write(&aliases, "postmaster: root\nroot: joe\n@nobody.example: joe\n").expect("aliases");
    let line = "|/var/qmail/bin/fastforward -d /var/qmail/aliases.cdb\n";
    std::fs::write(world.home().join("alias/.qmail-default"), line).expect("a .qmail file");
    let made = world.program("newaliases").arg("/var/qmail/aliases").status().expect("newaliases");
    assert!(made.success(), "{made}");
    world.start();
    for recipient in ["PostMaster@here.example", "root@here.example"] {
        world.deliver("a@there.example", &[recipient], &letter(recipient));
    }
    let texts = mail::wait_for(&space::home_of(world.scratch(), "joe").join("Maildir"), 2).concat();
    for hop in ["PostMaster", "root"] {
        assert!(texts.contains(&format!("Delivered-To: {hop}@here.example\n")), "{texts}");
    }
    world.deliver("joe@here.example", &["nobody@here.example"], &letter("nobody"));
    world.log.wait("failure: Sorry,_no_mailbox_here_by_that_name._(#5.1.1)");
}

#[test]
fn debians_fastforward_serves_our_database_in_our_system() {
    let Some(theirs) = place::program_of("fastforward", "fastforward") else {
        return skip("Debian's fastforward cannot be had");
    };
    // It runs qmail-queue at a place of its own; -n is what works everywhere.
    let world = with_aliases(|world| format!("{} -n", world.borrow(&theirs).display()));
    world.deliver("a@there.example", &["joe-postmaster@here.example"], &letter("debian"));
    let line = world.log.wait("success: ");
    assert!(line.contains("from_<a@there.example>/to_<"), "{line}");
    assert!(line.contains("to_<joe@here.example>") && line.contains("to_<ann@here.example>"), "{line}");
}

#[test]
fn a_forward_file_is_obeyed_and_the_next_line_too_if_it_names_the_user() {
    let mut world = World::rootless();
    world.user("ann");
    let home = world.home().join("joe");
    let program = world.home().join("bin/dot-forward");
    world.dot_qmail("joe", "", &format!("|{} .forward\n./Maildir/\n", program.display()));
    std::fs::write(home.join(".forward"), "ann (Ann), \"|cat >seen\"\n").expect("a file");
    world.start();
    let (joe, ann) = (home.join("Maildir"), world.home().join("ann/Maildir"));
    world.deliver("a@there.example", &["joe@here.example"], &letter("forward"));
    assert!(mail::wait_for(&ann, 1)[0].contains("Delivered-To: joe@here.example\n"));
    assert!(
        std::fs::read_to_string(home.join("seen"))
            .expect("a copy")
            .contains("Delivered-To: joe@here.example\n")
    );
    assert!(mail::new_in(&joe).is_empty(), "the next line does not count");
    for text in ["# nothing\n", "\\joe, ann\n"] {
        std::fs::write(home.join(".forward"), text).expect("a file");
        world.own(&home.join(".forward"));
        world.deliver("a@there.example", &["joe@here.example"], &letter("direct"));
    }
    mail::wait_for(&joe, 2);
    mail::wait_for(&ann, 2);
    std::fs::set_permissions(home.join(".forward"), PermissionsExt::from_mode(0o000)).expect("a mode");
    world.deliver("a@there.example", &["joe@here.example"], &letter("unreadable"));
    world.log.wait("deferral: dot-forward:_fatal:_unable_to_read_.forward:_access_denied");
}

#[test]
fn a_message_sent_with_mailsubj_says_so_with_qbiff_and_ends_in_an_mbox() {
    let mut world = World::rootless();
    let home = world.home().join("joe");
    world.dot_qmail("joe", "", &format!("|{}/bin/qbiff\n./Maildir/\n", world.home().display()));
    world.start();
    let text = world.scratch().join("text");
    std::fs::write(&text, "Hello.\n").expect("a file");
    let mut mailsubj = world.program("mailsubj");
    mailsubj.args(["two  words", "joe@here.example"]).stdin(std::fs::File::open(&text).expect("the file"));
    assert!(mailsubj.status().expect("mailsubj").success());
    assert!(mail::wait_for(&home.join("Maildir"), 1)[0].contains("\nSubject: two  words\n"));
    let mut maildir2mbox: Command = world.program("maildir2mbox");
    for (name, file) in [("MAILDIR", "Maildir"), ("MAIL", "mbox"), ("MAILTMP", "mbox.tmp")] {
        maildir2mbox.env(name, home.join(file));
    }
    assert!(maildir2mbox.status().expect("maildir2mbox").success());
    let mbox = std::fs::read_to_string(home.join("mbox")).expect("an mbox");
    assert!(mbox.starts_with("From ") && mbox.contains("Subject: two  words\n"), "{mbox}");
    assert!(mail::new_in(&home.join("Maildir")).is_empty());
}
