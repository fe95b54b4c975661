//! A mailing list run by mlmmj from `.qmail` files.
//!
//!     ann ─> list-subscribe ─> [ local ] ─> mlmmj ──SMTP──> [ Quail ] ─> ann: please confirm
//!     ann ─> list           ─> [ local ] ─> mlmmj ──SMTP──> [ Quail ] ─> every subscriber; bounces ─> list-bounces-1

use crate::letter;
use quail_tests::peers::package::Package;
use quail_tests::{World, deadline, mail};
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;

/// Has mlmmj make the list `list@here.example` in the home of the user `list`; gives its directory.
fn make_list(world: &mut World, package: &Package) -> PathBuf {
    let home = world.user("list");
    world.own_all();
    let mut shell = world.foreign_program("/bin/sh".as_ref());
    let mut child = shell
        .arg(package.path("usr/bin/mlmmj-make-ml"))
        .args(["-L", "list", "-s"])
        .arg(&home)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a shell");
    // Its questions: domain, owner, texts, and whether to set owners.
    let texts = package.path("usr/share/mlmmj/text.skel/en");
    let answers = format!("here.example\njoe@here.example\n{}\nn\n", texts.display());
    child.stdin.take().expect("a pipe").write_all(answers.as_bytes()).expect("it asks");
    child.wait().expect("it ends");
    let list = home.join("list");
    fs::write(list.join("control/delimiter"), "-\n").expect("a setting");
    fs::write(list.join("control/smtpport"), format!("{}\n", world.address.port())).expect("a setting");
    for suffix in ["", "-default"] {
        let receive = package.shell("usr/bin/mlmmj-receive");
        world.dot_qmail("list", suffix, &format!("|{receive} -L {}\n", list.display()));
    }
    list
}

#[test]
fn mlmmj_subscribes_distributes_and_hears_of_bounces() {
    let mut world = World::rootless();
    let Some(package) = Package::lend("mlmmj", &world) else { return };
    let list = make_list(&mut world, &package);
    world.user("ann");
    world.start();
    let ann = world.home().join("ann/Maildir");
    let from_ann = |to: &str, subject: &str| {
        let text = letter(to, subject).replace("a@there.example", "ann@here.example");
        world.inject(&["-fann@here.example"], &text);
    };
    from_ann("list-subscribe@here.example", "subscribe");
    let question = mail::wait_for(&ann, 1).remove(0);
    let word = question
        .split(|c: char| c.is_whitespace() || "<>:\"".contains(c))
        .find(|w| w.starts_with("list-confsub-"))
        .unwrap_or_else(|| panic!("no address to confirm to in {question}"));
    from_ann(word, "yes");
    let welcome = mail::wait_for(&ann, 2).into_iter().find(|t| t != &question).expect("another");
    assert!(welcome.contains("list@here.example"), "{welcome}");
    // One more subscriber, who does not exist.
    let status = package
        .command(&world, "usr/bin/mlmmj-sub")
        .arg("-L")
        .arg(&list)
        .args(["-U", "-q", "-f", "-a", "joe-nobody@here.example"])
        .status()
        .expect("mlmmj-sub");
    assert!(status.success(), "mlmmj-sub: {status}");
    from_ann("list@here.example", "to all");
    let copies = mail::wait_for(&ann, 3);
    let copy = copies.iter().find(|t| t.contains("\nSubject: to all\n")).expect("a copy");
    assert!(copy.starts_with("Return-Path: <list-bounces-1-ann=here.example@here.example>\n"), "{copy}");
    deadline("mlmmj has noted the bounce", || {
        list.join("bounce").read_dir().is_ok_and(|mut entries| entries.next().is_some())
    });
    world.wait_empty();
}
