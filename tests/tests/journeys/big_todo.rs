//! A queue whose todo and intd are hashed, as the big-todo patch leaves it.
//!
//!     client ──SMTP──> [ smtpd ─> queued ─┐
//!     sendmail ─────────────────> queued ─┼─> todo/H/ID ─> send ─> local ] ─> joe/Maildir, ann/Maildir
//!     qmail-inject ──> qmail-queue ───────┘

use crate::letter;
use nix::sys::signal::Signal;
use quail_tests::{World, mail};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

const SPLIT: u64 = 23;

fn world() -> World {
    let mut world = World::rootless();
    world.user("ann");
    for (place, mode) in [("todo", 0o750), ("intd", 0o700)] {
        for number in 0..SPLIT {
            let path = world.home().join("queue").join(place).join(number.to_string());
            fs::create_dir(&path).expect("a queue directory");
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("our own directory");
        }
    }
    world.own_all();
    world
}

/// Mail by the original's way in, to joe and ann.
fn put(world: &mut World, subject: &str) {
    let classic = world.home().join("bin/qmail-queue").display().to_string();
    let text = letter(subject).replace("To: joe@", "To: ann@here.example, joe@");
    let file = world.scratch().join("letter");
    fs::write(&file, text).expect("a letter");
    let mut inject = world.program("qmail-inject");
    inject.arg("-fa@there.example").env("QMAILQUEUE", classic);
    let status = inject.stdin(fs::File::open(file).expect("the letter")).status().expect("qmail-inject");
    assert!(status.success());
}

fn subjects(maildir: &Path) -> BTreeSet<String> {
    let subject = |text: String| {
        let line = text.lines().find_map(|line| line.strip_prefix("Subject: ").map(str::to_owned));
        line.expect("whole messages only")
    };
    mail::texts(maildir).into_iter().map(subject).collect()
}

fn stat(world: &World) -> String {
    let output = world.program("qmail-qstat").output().expect("qmail-qstat");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn what_waits_in_either_form_and_what_comes_by_all_doors_is_delivered_through_kills() {
    let mut world = world();
    let queue = world.home().join("queue");
    put(&mut world, "old-flat");
    let hashed: Vec<_> = world.queue_files().into_iter().filter(|f| f.starts_with("todo/")).collect();
    let [first] = &hashed[..] else { panic!("{hashed:?}") };
    let (_, number) = first.rsplit_once('/').expect("a name");
    let id: u64 = number.parse().expect("a number");
    assert_eq!(*first, format!("todo/{}/{id}", id % SPLIT));
    // As if it were from before the patch.
    for place in ["todo", "intd"] {
        let (from, to) = (format!("{place}/{}/{id}", id % SPLIT), format!("{place}/{id}"));
        fs::rename(queue.join(from), queue.join(to)).expect("both are there");
    }
    put(&mut world, "old-hashed");
    assert_eq!(stat(&world), "messages in queue: 2\nmessages in queue but not yet preprocessed: 2\n");
    world.start();
    let (joe, ann) = (world.home().join("joe/Maildir"), world.home().join("ann/Maildir"));
    mail::wait_for(&joe, 2);
    mail::wait_for(&ann, 2);
    world.wait_empty();

    let mut sent = BTreeSet::from(["old-flat".to_owned(), "old-hashed".to_owned()]);
    for round in 0..3 {
        for number in 0..10 {
            let subject = format!("smtp-{round}-{number}");
            world.deliver("a@there.example", &["joe@here.example", "ann@here.example"], &letter(&subject));
            sent.insert(subject);
        }
        let subject = format!("classic-{round}");
        put(&mut world, &subject);
        sent.insert(subject);
        let subject = format!("sendmail-{round}");
        world.inject(&["-fa@there.example", "joe@here.example", "ann@here.example"], &letter(&subject));
        sent.insert(subject);
        // In the midst of it.
        world.kill_all();
        if round == 1 {
            // Nobody is there to take it out again at once.
            put(&mut world, "while-nobody-works");
            sent.insert("while-nobody-works".to_owned());
        }
        world.start();
    }
    world.signal(Signal::SIGALRM);
    world.wait_all_done();
    assert_eq!(subjects(&joe), sent);
    assert_eq!(subjects(&ann), sent);
    // Nobody has put an envelope where a hashed queue has none, and the directories are all there.
    let count = |place: &str| queue.join(place).read_dir().expect("a queue directory").count();
    assert_eq!((count("todo"), count("intd")), (23, 23));
    world.stop();
}

#[test]
fn a_gap_in_a_hashed_todo_is_named_and_nothing_runs() {
    let world = world();
    fs::remove_dir(world.home().join("queue/todo/7")).expect("our own directory");
    let output = world.program("qmail-qstat").stdin(Stdio::null()).output().expect("qmail-qstat");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("queue/todo/0 is a directory, and queue/todo/7 is none"), "{said}");
}
