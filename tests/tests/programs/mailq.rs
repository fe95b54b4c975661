//! mailq(1).

use quail_tests::{World, deadline};

#[test]
fn it_lists_what_waits() {
    let mut world = World::rootless();
    world.control("smtproutes", ":127.0.0.1:1\n");
    world.relay_for_all();
    world.start();
    world.deliver("a@there.example", &["b@elsewhere.example"], "Subject: waits\n\n");
    world.log.wait("deferral: ");
    // Then it goes from `todo` to where it waits, with its recipients.
    deadline("it waits", || {
        let files = world.queue_files();
        files.iter().any(|f| f.starts_with("remote/")) && !files.iter().any(|f| f.starts_with("todo/"))
    });
    let listed = world.program("mailq").output().expect("mailq");
    assert!(listed.status.success(), "{listed:?}");
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(text.contains("<a@there.example>") && text.contains("\tremote\tb@elsewhere.example\n"), "{text}");
}
