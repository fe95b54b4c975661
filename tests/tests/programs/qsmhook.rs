//! qsmhook(1).

use quail_tests::{World, place, skip};

#[test]
fn procmail_is_run_as_sendmail_would_run_it() {
    let Some(procmail) = place::program_of("procmail", "procmail") else {
        return skip("procmail cannot be had");
    };
    let mut world = World::rootless();
    let home = world.home().join("joe");
    std::fs::write(home.join("rc"), format!(":0\n* ^Subject: hook\n{}/sorted\n", home.display()))
        .expect("rc");
    let (hook, procmail) = (world.home().join("bin/qsmhook"), world.borrow(&procmail));
    world.dot_qmail("joe", "", &format!("|{} -m {} -a %h ./rc\n", hook.display(), procmail.display()));
    world.start();
    world.deliver("a@there.example", &["joe@here.example"], "Subject: hook\n\nHello.\n");
    world.log.wait("success:");
    let sorted = std::fs::read_to_string(home.join("sorted")).expect("the folder");
    assert!(sorted.starts_with("From a@there.example ") && sorted.contains("Subject: hook\n"), "{sorted}");
}
