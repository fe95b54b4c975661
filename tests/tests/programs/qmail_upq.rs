//! qmail-upq(8).

use quail_tests::{World, mail};
use std::fs;

#[test]
fn a_queue_that_is_not_split_is_put_in_order_and_delivered_but_not_while_qmail_send_runs() {
    let mut world = World::rootless();
    world.start();
    let busy = world.program("qmail-upq").output().expect("it runs");
    assert_eq!(busy.status.code(), Some(111));
    assert!(String::from_utf8_lossy(&busy.stderr).contains("qmail-send is running"), "{busy:?}");
    world.stop();
    world.inject(&["-fa@there.example"], "To: joe@here.example\nSubject: early\n\n");
    let mess = world.home().join("queue/mess");
    let file = world.queue_files().into_iter().find(|f| f.starts_with("mess/")).expect("a message");
    let name = file.rsplit('/').next().expect("a number").to_owned();
    fs::rename(world.home().join("queue").join(&file), mess.join(&name)).expect("our own queue");
    let done = world.program("qmail-upq").output().expect("it runs");
    assert!(done.status.success() && done.stderr.is_empty(), "{done:?}");
    assert!(!mess.join(&name).exists() && world.home().join("queue").join(&file).exists());
    world.start();
    mail::wait_for(&world.home().join("joe/Maildir"), 1);
    world.wait_empty();
}
