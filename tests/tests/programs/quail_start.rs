//! quail-start(8).

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use quail_tests::{World, deadline, mail};

/// The process of that name in a world; waits for it.
fn process(world: &World, name: &str, not: Option<i32>) -> i32 {
    let mut found = None;
    deadline(name, || {
        let processes = world.processes();
        found = processes.iter().find(|(pid, p)| p.name == name && Some(**pid) != not).map(|(pid, _)| *pid);
        found.is_some()
    });
    found.expect("just found")
}

#[test]
fn what_dies_is_started_again_and_mail_goes_on() {
    let mut world = World::rootless();
    world.start();
    let maildir = world.home().join("joe/Maildir");
    for name in ["qmail-smtpd", "qmail-queued", "qmail-send", "qmail-lspawn"] {
        let pid = process(&world, name, None);
        kill(Pid::from_raw(pid), Signal::SIGKILL).expect("it lives");
        process(&world, name, Some(pid));
        let subject = format!("Subject: after {name}\n");
        world.deliver("a@there.example", &["joe@here.example"], &format!("{subject}\n"));
        // A killed qmail-send may deliver the mail before once more, so mail is not counted.
        deadline(name, || mail::wait_for(&maildir, 1).iter().any(|mail| mail.contains(&subject)));
    }
}

#[test]
fn term_stops_everything_in_order() {
    let mut world = World::rootless();
    world.start();
    world.stop();
    world.log.wait("status: exiting");
    assert!(world.processes().is_empty());
}

#[test]
fn a_wrong_listening_address_is_reported_with_its_line() {
    let mut world = World::rootless();
    let good = world.address;
    world.control("smtplisten", &format!("nonsense\n{good}\n"));
    world.start();
    let line = world.log.wait("smtplisten");
    assert!(line.contains("nonsense") && line.contains("line 1"), "{line}");
}
