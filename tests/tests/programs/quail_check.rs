//! quail(1) check.

use quail_tests::own_host::text;
use quail_tests::{Host, World};

/// What is broken, what the finding must say, and whether the command it gives mends it.
const FAULTS: &[(&str, &str, bool)] = &[
    ("rmdir /var/qmail/queue/intd", "queue/intd: missing", true),
    ("rm /var/qmail/queue/lock/trigger", "lock/trigger: missing", true),
    ("rm /var/qmail/queue/lock/tcpto", "lock/tcpto: missing", true),
    ("chmod 755 /var/qmail/queue/pid", "queue/pid: mode 0755; should be 0700", true),
    ("chown root /var/qmail/queue/info/3", "info/3: owned by root; should be by qmails", true),
    ("chgrp root /var/qmail/queue/todo", "queue/todo: of group root", true),
    ("chmod g-s /var/qmail/alias", "alias: mode 0755; should be 2755", true),
    ("chmod 755 /var/qmail/bin/qmail-queue", "bin/qmail-queue: mode 0755; should be 4711", true),
    ("chown root /var/qmail/bin/qmail-queue", "bin/qmail-queue: owned by root; should be by qmailq", true),
    ("chmod 777 /var/qmail/bin/qmail-local", "bin/qmail-local: mode 0777", true),
    ("rm /var/qmail/bin/qmail-getpw", "bin/qmail-getpw: missing", false),
    ("chmod g+s /var/qmail/control", "control: mode 2755; should be 0755", true),
    ("chmod 600 /var/qmail/control/me", "control/me: mode 0600", true),
    ("chmod 666 /var/qmail/control/locals", "control/locals: mode 0666, writable for everybody", true),
    ("rm /var/qmail/control/rcpthosts", "relays mail from anybody to anybody", true),
    ("echo 0.0.0.0/0 > /var/qmail/control/relayclients", "an open relay", false),
    ("echo never > /var/qmail/control/queuelifetime", "line 1 is \"never\"", false),
    ("echo x.example > /var/qmail/control/rcpthost", "rcpthosts, if that is meant", false),
    ("echo mail.here.example:joe > /var/qmail/control/virtualdomains", "is in locals too", false),
    ("echo . > /var/qmail/users/assign", "users/cdb: missing", true),
    ("rm /var/qmail/alias/.qmail-postmaster", "mail for postmaster comes back", true),
    ("chmod 666 /var/qmail/alias/.qmail-root", ".qmail-root: mode 0666", true),
    (
        "mkdir -p /var/qmail/queue/quarantine; touch /var/qmail/queue/quarantine/7.mess",
        "could not be read",
        false,
    ),
    ("userdel -f qmailp", "no account qmailp", true),
    ("usermod --home / alias", "alias at home in /", true),
];

#[test]
fn each_planted_fault_is_found_and_what_is_said_to_mend_it_does() {
    let Some(machine) = Host::enter() else { return };
    let set = machine.quail(&["setup", "mail.here.example", "--no-service"]);
    assert!(set.status.success(), "{}", text(&set));
    let check = || machine.quail(&["check"]);
    // Only that it does not run, as it was told.
    assert_eq!(check().status.code(), Some(0), "{}", text(&check()));
    machine.must("cp -a /var/qmail /var/whole; cp /etc/passwd /var/passwd");
    for (fault, words, mends) in FAULTS {
        machine.must(fault);
        let output = check();
        assert_eq!(output.status.code(), Some(1), "{fault}: {}", text(&output));
        let told = text(&output);
        let line = told.lines().find(|l| l.contains(words));
        let line = line.unwrap_or_else(|| panic!("{fault}: {words:?} is not in {told}"));
        let mend =
            line.split_once("; should be ").and_then(|(_, rest)| rest.split_once("; ")).expect("a mend").1;
        if *mends {
            machine.must(mend);
            assert_eq!(check().status.code(), Some(0), "{fault}, mended by `{mend}`: {}", text(&check()));
        }
        machine.must("rm -rf /var/qmail && cp -a /var/whole /var/qmail && cat /var/passwd > /etc/passwd");
    }
}

#[test]
fn a_private_installation_is_as_it_should_be() {
    let mut world = World::rootless();
    world.start();
    world.program("quail").arg("check");
    let output = world.program("quail").arg("check").output().expect("quail runs");
    let faults: Vec<_> = text(&output)
        .lines()
        .filter(|l| !l.starts_with("note: ") && !l.contains("alias/.qmail-"))
        .map(str::to_owned)
        .collect();
    assert_eq!(faults.len(), 1, "{faults:?}");
}

#[test]
fn without_an_installation_there_is_nothing_to_check() {
    let world = World::rootless();
    let output =
        world.program("quail").arg("check").env("QUAIL_HOME", "/nonexistent").output().expect("quail runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("quail setup"), "{}", text(&output));
}
