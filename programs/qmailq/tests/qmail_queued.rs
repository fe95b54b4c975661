//! qmail-queued as a program: how it ends.

#![allow(clippy::unwrap_used)] // A test that cannot go on says where it stands.

mod installation;

use installation::{Home, Service};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use queue::door::Door;

fn pid(service: &Service) -> Pid {
    Pid::from_raw(i32::try_from(service.0.id()).unwrap())
}

/// A file without a name, or one that is still under construction, is open.
fn holds_a_message(service: &Service) -> bool {
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", service.0.id())).unwrap();
    let targets = descriptors.filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok());
    targets.into_iter().any(|target| target.to_string_lossy().contains("/queue/"))
}

#[test]
fn term_lets_a_hand_off_under_way_finish() {
    let home = Home::new();
    let mut service = Service::start(&home);
    let door = Door::new(home.path(), None);
    let idle = door.open().unwrap();
    let mut under_way = door.open().unwrap();
    under_way.write(&vec![b'm'; 200_000]); // More than is buffered on our side: the service has begun.
    while !holds_a_message(&service) {
        std::thread::yield_now();
    }
    kill(pid(&service), Signal::SIGTERM).unwrap();
    under_way.sender(b"s@x");
    under_way.recipient(b"r@y");
    under_way.finish().unwrap();
    assert!(service.0.wait().unwrap().success());
    assert_eq!(home.check(b"m").len(), 1);
    assert_eq!(home.litter(), [""; 0]);
    drop(idle);
}

#[test]
fn without_a_socket_it_says_so() {
    let home = Home::new();
    let mut command = installation::program(&home, env!("CARGO_BIN_EXE_qmail-queued"));
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(111));
    assert_eq!(output.stderr, b"qmail-queued: fatal: no listening socket (LISTEN_FDS)\n");
}
