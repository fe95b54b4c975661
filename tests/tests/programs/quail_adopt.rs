//! quail(1) adopt, as root, on a machine of the test's own, under Debian's daemontools and runit.
//!
//!     supervise(svc) ─> run ─> [ original's programs ] ──adopt──> [ ours ] ──undo──> [ the very same files ]
//!
//! What stands for the original here are programs of ours under the original's names only, with texts of patches in them
//! as the patches leave them: they start in the classic form, by qmail-start, and read the same queue.

use quail_tests::own_host::{listing, text};
use quail_tests::peers::original::at_work;
use quail_tests::{Host, deadline, mail, place, skip};
use std::path::Path;
use std::process::Output;

const SERVICE: &str = "/etc/service/qmail-send";

/// Who keeps the original running: package, its programs, and the one that does.
struct Keeper {
    package: &'static str,
    programs: &'static [&'static str],
    keeps: &'static str,
}

const DAEMONTOOLS: Keeper =
    Keeper { package: "daemontools", programs: &["supervise", "svc", "svstat"], keeps: "supervise" };

const RUNIT: Keeper = Keeper { package: "runit", programs: &["runsv", "sv"], keeps: "runsv" };

/// A machine with an original that is kept running.
fn with_an_original(keeper: &Keeper) -> Option<Host> {
    with_an_original_after(keeper, "true")
}

/// The same, where something has been done to it before it was started.
fn with_an_original_after(keeper: &Keeper, prepare: &str) -> Option<Host> {
    if place::package(keeper.package).is_none() {
        skip(&format!("{} cannot be had", keeper.package));
        return None;
    }
    let machine = Host::enter()?;
    for name in keeper.programs {
        let program = place::program_of(keeper.package, name).expect("it has that program");
        std::os::unix::fs::symlink(program, machine.stand_ins().join(name)).unwrap();
    }
    let set = machine.quail(&["setup", "mail.here.example", "--no-service", "--no-sendmail"]);
    assert!(set.status.success(), "{}", text(&set));
    machine.must(
        "cd /var/qmail && rm -r setup run control/checkrecipients bin/quail bin/quail-start bin/qmail-queued",
    );
    // The last bytes of a program are looked at by nobody but adopt.
    machine.must("printf 'notqmail home page\\0STARTTLS\\0chkuser' >> /var/qmail/bin/qmail-smtpd");
    machine.must("cd /var/qmail/bin && mv qmail-remote qmail-remote.real && printf '#!/bin/sh\\nexec qmail-remote.real \"$@\"\\n' > qmail-remote && chmod 755 qmail-remote");
    machine.must("cd /var/qmail/control && echo 30 > concurrencyremote && touch servercert.pem && echo :127.0.0.1:1 > smtproutes");
    machine.must(&format!(
        "mkdir -p {SERVICE} && printf '#!/bin/sh\\nexec env - PATH=/var/qmail/bin:/usr/bin:/bin qmail-start ./Maildir/ >>/var/sendlog 2>&1\\n' > {SERVICE}/run && chmod 755 {SERVICE}/run"
    ));
    machine.must(prepare);
    machine.must(&format!("({} {SERVICE} </dev/null >/dev/null 2>&1 &)", keeper.keeps));
    at_work();
    Some(machine)
}

/// What must come back: everything but the queue and the mail.
fn tree() -> Vec<String> {
    let mut all = listing(Path::new("/var/qmail"));
    // Sockets come and go with those who listen on them.
    all.retain(|l| !["/queue/", "/alias/Maildir", "/var/qmail/run"].iter().any(|p| l.contains(p)));
    all
}

fn send(machine: &Host, to: &str) {
    machine
        .must(&format!("printf 'Subject: x\\n\\nx\\n' | /var/qmail/bin/qmail-inject -fa@there.example {to}"));
}

#[track_caller]
fn refused(output: &Output, words: &str) {
    assert_eq!(output.status.code(), Some(1), "{}", text(output));
    assert!(text(output).contains(words), "{words:?} is not in {}", text(output));
}

#[test]
fn an_original_is_taken_over_and_given_back_with_all_its_mail() {
    let Some(machine) = with_an_original(&DAEMONTOOLS) else { return };
    let maildir = Path::new("/var/qmail/alias/Maildir");
    send(&machine, "postmaster");
    mail::wait_for(maildir, 1);
    send(&machine, "someone@far.example");
    let waiting = || machine.must("find /var/qmail/queue/remote -type f | wc -l").trim().to_owned();
    deadline("a message waits", || waiting() == "1");
    let before = tree();

    let report = text(&machine.quail(&["adopt", "--dry-run"]));
    for part in [
        "notqmail",
        "TLS on the way in",
        "chkuser",
        "split 23; 1 messages",
        "kept by daemontools",
        "qmail-remote: is a script or a link of yours and stays",
        "goes on starting qmail-start",
        "concurrencyremote, ",
        "servercert.pem: ",
        "--keep qmail-smtpd",
        "refused for good with 550",
    ] {
        assert!(report.contains(part), "{part:?} is not in {report}");
    }
    refused(&machine.quail(&["adopt"]), "would be missing");
    refused(&machine.quail(&["adopt", "--undo"]), "was not adopted");
    assert_eq!(tree(), before);

    let taken = machine.quail(&["adopt", "--keep", "qmail-smtpd"]);
    assert!(taken.status.success(), "{}", text(&taken));
    at_work();
    refused(&machine.quail(&["adopt"]), "is Quail's already");
    let kept = |l: &&String| l.contains("/bin/qmail-smtpd ") || l.contains("/bin/qmail-remote");
    let now = tree();
    assert_eq!(now.iter().filter(kept).collect::<Vec<_>>(), before.iter().filter(kept).collect::<Vec<_>>());
    assert!(now.iter().any(|l| l.contains("/bin/qmail-queued ")));
    assert!(now.iter().any(|l| l.starts_with("/var/qmail/bin/qmail-queue 104711 ")), "{now:?}");
    send(&machine, "postmaster");
    mail::wait_for(maildir, 2);
    send(&machine, "other@far.example");
    deadline("two messages wait", || waiting() == "2");
    let check = machine.quail(&["check"]);
    assert_eq!(check.status.code(), Some(0), "{}", text(&check));

    let back = machine.quail(&["adopt", "--undo"]);
    assert!(back.status.success(), "{}", text(&back));
    for part in ["2 messages wait; every file of theirs is in the original's form", "is the original's again"]
    {
        assert!(text(&back).contains(part), "{part:?} is not in {}", text(&back));
    }
    assert_eq!(tree(), before);
    at_work();
    send(&machine, "postmaster");
    mail::wait_for(maildir, 3);
    assert_eq!(waiting(), "2");
}

#[test]
fn a_hashed_todo_is_taken_over_and_given_back_as_it_is() {
    let hash = "cd /var/qmail/queue && for n in $(seq 0 22); do install -d -o qmailq -g qmail -m 750 todo/$n && install -d -o qmailq -g qmail -m 700 intd/$n; done";
    let Some(machine) = with_an_original_after(&DAEMONTOOLS, hash) else { return };
    let maildir = Path::new("/var/qmail/alias/Maildir");
    let shape = || machine.must("cd /var/qmail/queue && find todo intd -printf '%p %u %m\\n' | sort");
    let of_the_original = shape();
    send(&machine, "someone@far.example");
    let waiting = || machine.must("find /var/qmail/queue/remote -type f | wc -l").trim().to_owned();
    deadline("a message waits", || waiting() == "1");
    let taken = machine.quail(&["adopt", "--keep", "qmail-smtpd"]);
    assert!(taken.status.success(), "{}", text(&taken));
    assert!(text(&taken).contains("todo and intd: are hashed (big-todo), and stay so"), "{}", text(&taken));
    at_work();
    send(&machine, "postmaster");
    mail::wait_for(maildir, 1);
    let check = machine.quail(&["check"]);
    assert_eq!(check.status.code(), Some(0), "{}", text(&check));
    machine.must("chmod 700 /var/qmail/queue/todo/3");
    let check = machine.quail(&["check"]);
    assert!(text(&check).contains("queue/todo/3: mode 0700; should be 0750"), "{}", text(&check));
    machine.must("chmod 750 /var/qmail/queue/todo/3");
    deadline("nothing new waits", || shape() == of_the_original);
    let back = machine.quail(&["adopt", "--undo"]);
    assert!(back.status.success(), "{}", text(&back));
    assert!(
        text(&back).contains("1 messages wait; every file of theirs is in the original's form"),
        "{}",
        text(&back)
    );
    at_work();
    assert_eq!(shape(), of_the_original);
    send(&machine, "postmaster");
    mail::wait_for(maildir, 2);
}

#[test]
fn under_runit_it_is_stopped_and_started_by_sv() {
    let Some(machine) = with_an_original(&RUNIT) else { return };
    let maildir = Path::new("/var/qmail/alias/Maildir");
    send(&machine, "someone@far.example");
    let before = tree();
    let taken = machine.quail(&["adopt", "--keep", "qmail-smtpd"]);
    assert!(taken.status.success(), "{}", text(&taken));
    for part in ["kept by runit", "sv down /etc/service/qmail-send", "sv up /etc/service/qmail-send"] {
        assert!(text(&taken).contains(part), "{part:?} is not in {}", text(&taken));
    }
    at_work();
    send(&machine, "postmaster");
    mail::wait_for(maildir, 1);
    let back = machine.quail(&["adopt", "--undo"]);
    assert!(back.status.success(), "{}", text(&back));
    assert!(text(&back).contains("1 messages wait"), "{}", text(&back));
    assert_eq!(tree(), before);
    at_work();
    send(&machine, "postmaster");
    mail::wait_for(maildir, 2);
    machine.must(&format!("sv exit {SERVICE}"));
}

#[test]
fn what_cannot_be_taken_over_is_named_and_nothing_is_changed() {
    let Some(machine) = with_an_original(&DAEMONTOOLS) else { return };
    let keep = ["adopt", "--keep", "qmail-smtpd"];
    for (break_it, words, mend_it) in [
        (
            "chown root /var/qmail/queue/mess",
            "queue/mess belongs to root, not to qmailq",
            "chown qmailq /var/qmail/queue/mess",
        ),
        ("mkdir /var/qmail/queue/todo/0", "big-todo", "rmdir /var/qmail/queue/todo/0"),
        ("mv /var/qmail/queue/mess/5 /var/gap", "a gap", "mv /var/gap /var/qmail/queue/mess/5"),
        (
            "sed -i.was 's/^exec/exec softlimit -m 3000000/' /etc/service/qmail-send/run",
            "`softlimit` gives 3000000 bytes",
            "mv /etc/service/qmail-send/run.was /etc/service/qmail-send/run",
        ),
        (
            "mkdir -p /var/qmail/queue/suppl0/1 && touch /var/qmail/queue/suppl0/1/24",
            "drain first",
            "rm -r /var/qmail/queue/suppl0",
        ),
    ] {
        machine.must(break_it);
        let before = tree();
        refused(&machine.quail(&keep), words);
        assert_eq!(tree(), before);
        machine.must(mend_it);
    }
    refused(
        &machine.quail(&["adopt", "--keep", "nonsense"]),
        "nonsense: is not one of the original's programs",
    );
    refused(&machine.quail(&["adopt", "/etc"]), "there is no qmail-send in it");
}

#[test]
fn a_qmail_that_nobody_supervises_is_stopped_by_its_administrator() {
    let Some(machine) = with_an_original(&DAEMONTOOLS) else { return };
    machine.must(&format!("svc -dx {SERVICE}"));
    deadline("supervise is gone", || machine.processes().is_empty());
    machine.must(
        "(env - PATH=/var/qmail/bin:/usr/bin:/bin qmail-start ./Maildir/ </dev/null >>/var/sendlog 2>&1 &)",
    );
    at_work();
    let adopt = || machine.quail(&["adopt", "--keep", "qmail-smtpd"]);
    refused(&adopt(), "kill -TERM");
    machine.end("qmail-send");
    let taken = adopt();
    assert!(taken.status.success(), "{}", text(&taken));
    assert!(text(&taken).contains("start it as you always do"), "{}", text(&taken));
}
