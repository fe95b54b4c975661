//! quail(1) setup, as root, on a machine of the test's own.

use quail_tests::own_host::{listing, text};
use quail_tests::{Host, deadline, mail, place};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const HOME: &str = "/var/qmail";

/// What setup is to leave alone when it has nothing to do. The log and the sockets live on.
fn everything() -> Vec<String> {
    let mut all = Vec::new();
    for top in [
        HOME,
        "/etc/passwd",
        "/etc/group",
        "/etc/systemd",
        "/usr/sbin/sendmail",
        "/usr/lib/sendmail",
        "/usr/bin/mailq",
    ] {
        all.extend(listing(Path::new(top)));
    }
    all.retain(|line| !line.contains("/setup/log ") && !line.contains("/var/qmail/run/"));
    all
}

fn script(path: &Path, body: &str) {
    std::fs::write(path, format!("#!/bin/sh\n{body}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn setup_makes_a_system_that_delivers_and_the_second_run_changes_nothing() {
    let Some(machine) = Host::enter() else { return };
    let accounts =
        || (std::fs::read_to_string("/etc/passwd").unwrap(), std::fs::read_to_string("/etc/group").unwrap());
    let before = accounts();
    let told = text(&machine.quail(&["setup", "mail.here.example", "--dry-run"]));
    assert!(told.contains("none has been taken"), "{told}");
    assert!(!Path::new(HOME).exists() && accounts() == before);

    let first = machine.quail(&["setup", "mail.here.example"]);
    assert!(first.status.success(), "{}", text(&first));
    for part in ["arrived in ", "mail.here.example.  IN MX ", "v=spf1", "its PTR"] {
        assert!(text(&first).contains(part), "{part:?} is not in {}", text(&first));
    }
    machine.must("printf 'Subject: hello\\n\\nHello.\\n' | /usr/sbin/sendmail -f a@there.example postmaster@mail.here.example");
    let arrived = mail::wait_for(&Path::new(HOME).join("alias/Maildir"), 1);
    assert!(arrived[0].contains("Subject: hello"), "{arrived:?}");

    deadline("the queue is at rest", || !machine.must("find /var/qmail/queue/mess -type f").contains('/'));
    let made = everything();
    let again = machine.quail(&["setup", "mail.here.example"]);
    assert!(text(&again).starts_with("Nothing to change"), "{}", text(&again));
    assert_eq!(everything(), made);
    let check = machine.quail(&["check"]);
    assert_eq!((check.status.code(), text(&check).lines().count()), (Some(0), 1), "{}", text(&check));

    machine.end("quail-start");
    // userdel(8) spares whose processes run: workers end a moment later than who started them.
    deadline("all that it started has ended", || machine.processes().is_empty());
    machine.must("sh /var/qmail/setup/undo || true");
    assert_eq!(accounts(), before);
    assert!(!Path::new("/usr/sbin/sendmail").exists() && !Path::new("/var/qmail/bin/quail").exists());
    // What somebody has got stays.
    assert_eq!(mail::texts(&Path::new(HOME).join("alias/Maildir")).len(), 1);
}

#[test]
fn what_is_in_the_way_is_named() {
    let Some(machine) = Host::enter() else { return };
    let refused = |arguments: &[&str], words: &[&str]| {
        let output = machine.quail(arguments);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        for word in words {
            assert!(text(&output).contains(word), "{word:?} is not in {}", text(&output));
        }
    };
    refused(&["setup", "nonsense"], &["\"nonsense\"", "example.org"]);
    let listener = TcpListener::bind("0.0.0.0:25").unwrap();
    refused(
        &["setup", "mail.here.example"],
        &["0.0.0.0:25", &format!("process {}", std::process::id()), "--no-service"],
    );
    drop(listener);
    assert!(!Path::new(HOME).exists());
    machine.must("mkdir -p /var/qmail/bin && cp /bin/true /var/qmail/bin/qmail-send");
    refused(&["setup", "mail.here.example"], &["quail adopt"]);
    machine.must("rm -r /var/qmail && mkdir -p /var/qmail && touch /var/qmail/control");
    refused(&["setup", "mail.here.example"], &["/var/qmail/control", "in the way"]);
}

#[test]
fn another_mail_systems_sendmail_is_put_aside_the_distributions_way() {
    let Some(machine) = Host::enter() else { return };
    if !Path::new("/usr/bin/dpkg-deb").exists() {
        return place::skip("dpkg-deb is not here");
    }
    machine.must(
        "cd $(mktemp -d) && mkdir -p p/DEBIAN p/usr/sbin && echo other > p/usr/sbin/sendmail && \
         printf 'Package: other-mta\\nVersion: 1\\nArchitecture: all\\nMaintainer: x <x@x.example>\\nDescription: x\\n' > p/DEBIAN/control && \
         dpkg-deb --root-owner-group -b p p.deb >&2 && dpkg -i --force-depends p.deb >&2",
    );
    let set = machine.quail(&["setup", "mail.here.example", "--no-service"]);
    assert!(set.status.success(), "{}", text(&set));
    assert_eq!(
        machine.must("dpkg-divert --truename /usr/sbin/sendmail").trim(),
        "/usr/sbin/sendmail.before-quail"
    );
    assert_eq!(machine.must("readlink /usr/sbin/sendmail").trim(), "/var/qmail/bin/sendmail");
    machine.must("sh /var/qmail/setup/undo || true");
    assert_eq!(machine.must("cat /usr/sbin/sendmail").trim(), "other");
    assert_eq!(machine.must("dpkg-divert --truename /usr/sbin/sendmail").trim(), "/usr/sbin/sendmail");
}

#[test]
fn under_systemd_a_unit_is_written_enabled_and_started() {
    let Some(machine) = Host::enter() else { return };
    std::fs::create_dir_all("/run/systemd/system").unwrap();
    let said = machine.scratch().join("said");
    // What systemd would do; it does not run here.
    script(
        &machine.stand_ins().join("systemctl"),
        &format!(
            "echo \"$*\" >> {0}\ncase $1 in is-enabled) grep -q ^enable {0};; is-active) grep -q '^start' {0};;\n\
             start) /var/qmail/rc </dev/null >/dev/null 2>&1 & ;; esac",
            said.display()
        ),
    );
    let set = machine.quail(&["setup", "mail.here.example"]);
    assert!(set.status.success(), "{}", text(&set));
    let said = std::fs::read_to_string(&said).unwrap();
    for line in ["daemon-reload", "enable --quiet quail.service", "start quail.service"] {
        assert!(said.lines().any(|l| l == line), "{line:?} is not in {said}");
    }
    let again = text(&machine.quail(&["setup"]));
    assert!(again.starts_with("Nothing to change"), "{again}");
    if Path::new("/usr/bin/systemd-analyze").exists() {
        let verified = machine
            .shell("systemd-analyze verify /etc/systemd/system/quail.service 2>&1 | grep quail.service | grep -v 'Command .man'");
        assert_eq!(text(&verified), "", "systemd's opinion of the unit");
    }
}
