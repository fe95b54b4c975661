//! quail(1) adopt on the real original, under Debian's daemontools, on a machine of its own.
//!
//!     queued by the original ──adopt──> delivered by us;  queued by us ──undo──> delivered by the original
//!
//! Both ways twice: once with a running qmail-send and messages that are half done (contract 4.3, S5, with a bounce begun),
//! once while nobody empties the queue and envelopes wait in todo (S4).

use quail_tests::own_host::{listing, text};
use quail_tests::peers::original::{Original, at_work};
use quail_tests::{Host, Sink, deadline, mail, place};
use std::fs;
use std::path::Path;

const SERVICE: &str = "/etc/service/qmail-send";

/// Where joe's mail goes.
const MAILDIR: &str = "/var/joe/Maildir";

/// A machine with the original, running.
struct Adopted {
    machine: Host,
    sink: Sink,
    joe: usize,
}

impl Adopted {
    fn new(original: &Path) -> Self {
        let machine = Host::enter().expect("a machine of its own");
        let daemontools = place::package("daemontools").expect("daemontools");
        for name in ["supervise", "svc", "svstat"] {
            let program = daemontools.join("usr/bin").join(name);
            std::os::unix::fs::symlink(program, machine.stand_ins().join(name)).unwrap();
        }
        let set = machine.quail(&["setup", "mail.here.example", "--no-service", "--no-sendmail"]);
        assert!(set.status.success(), "{}", text(&set));
        machine.must("cd /var/qmail && rm -r setup run control/checkrecipients bin/*");
        machine.must(&format!("cp {}/bin/* /var/qmail/bin", original.display()));
        machine.must("cd /var/qmail/bin && chown root:qmail * && chmod 755 * && chown qmailq qmail-queue && chmod 4711 qmail-queue");
        machine.must("useradd -M -d /var/joe joe && mkdir -p /var/joe/Maildir/tmp /var/joe/Maildir/new /var/joe/Maildir/cur && chown -R joe /var/joe");
        let sink = Sink::start();
        fs::write("/var/qmail/control/smtproutes", format!(":{}\n", sink.route())).unwrap();
        machine.must(&format!(
            "mkdir -p {SERVICE} && printf '#!/bin/sh\\nexec env - PATH=/var/qmail/bin:/usr/bin:/bin qmail-start ./Maildir/ >>/var/sendlog 2>&1\\n' > {SERVICE}/run && chmod 755 {SERVICE}/run"
        ));
        machine.must(&format!("(supervise {SERVICE} </dev/null >/dev/null 2>&1 &)"));
        at_work();
        Self { machine, sink, joe: 0 }
    }

    /// What has to come back: everything but queue and mail.
    fn tree() -> Vec<String> {
        let mut all = listing(Path::new("/var/qmail"));
        all.retain(|l| !["/queue/", "/alias/Maildir"].iter().any(|p| l.contains(p)));
        all
    }

    fn quail(&self, arguments: &[&str], words: &str) {
        let output = self.machine.quail(arguments);
        assert!(output.status.success(), "{}", text(&output));
        assert!(text(&output).contains(words), "{words:?} is not in {}", text(&output));
    }

    fn inject(&self, subject: &str, to: &str) {
        self.machine.must(&format!(
            "printf 'Subject: {subject}\\n\\nx\\n' | /var/qmail/bin/qmail-inject -fjoe@mail.here.example {to}"
        ));
    }

    fn down(&self) {
        self.machine.must(&format!("svc -d {SERVICE}"));
        deadline("nobody empties the queue", || {
            self.machine.processes().values().all(|p| p.name != "qmail-send")
        });
    }

    fn up(&self) {
        self.machine.must(&format!("svc -u {SERVICE}"));
        at_work();
    }

    fn files(&self, directory: &str) -> usize {
        self.machine
            .must(&format!("find /var/qmail/queue/{directory} -type f | wc -l"))
            .trim()
            .parse()
            .unwrap()
    }

    /// Leaves a message with one recipient of each fate: done, refused, and not yet.
    fn half_done(&mut self, subject: &str) {
        self.sink.answer("RCPT TO:<later", "451 not now");
        self.sink.answer("RCPT TO:<never", "550 nobody");
        self.inject(subject, "joe now@away.example never@away.example later@away.example");
        deadline("one recipient waits, one is to be told of", || {
            let remote = self.machine.must("cat /var/qmail/queue/remote/*/* 2>/dev/null || true");
            remote.contains("Dnow@") && remote.contains("Dnever@") && remote.contains("Tlater@")
        });
        self.arrived(1);
        assert_eq!((self.files("todo"), self.files("bounce"), self.files("local")), (0, 1, 0));
        assert_eq!(self.sink.receive().to, ["now@away.example"]);
    }

    /// Leaves messages that nobody has looked at.
    fn untouched(&self) {
        self.inject("untouched", "joe");
        self.inject("untouched", "now@away.example joe");
        assert_eq!(self.files("todo"), 2);
    }

    /// That many more are in joe's Maildir.
    fn arrived(&mut self, count: usize) {
        self.joe += count;
        mail::wait_for(Path::new(MAILDIR), self.joe);
    }

    /// What was half done is finished, with its bounce.
    fn finished(&mut self) {
        self.sink.relent();
        let manager = self.machine.processes().into_iter().find(|(_, p)| p.name == "qmail-send");
        self.machine.must(&format!("kill -ALRM {}", manager.expect("it runs").0));
        assert_eq!(self.sink.receive().to, ["later@away.example"]);
        self.arrived(1);
        self.empty();
    }

    fn empty(&self) {
        deadline("the queue is empty", || {
            ["todo", "info", "mess", "bounce"].iter().all(|d| self.files(d) == 0)
        });
        assert_eq!(mail::texts(Path::new(MAILDIR)).len(), self.joe, "something came twice");
        assert!(self.sink.waiting().is_empty(), "something went twice");
    }
}

/// There and back, twice.
pub fn there_and_back(original: &Path) {
    if let Err(why) = Original::is_for_the_usual_home(original) {
        println!("adoption: not tried, {why}");
        return;
    }
    let mut host = Adopted::new(original);
    let before = Adopted::tree();
    host.quail(&["adopt", "--dry-run"], "kept by daemontools");
    assert_eq!(Adopted::tree(), before);

    host.half_done("half done by the original");
    host.quail(&["adopt"], "The host is taken over");
    at_work();
    host.finished();
    host.quail(&["check"], "");
    host.half_done("half done by us");
    host.quail(&["adopt", "--undo"], "1 messages wait; every file of theirs is in the original's form");
    assert_eq!(Adopted::tree(), before);
    at_work();
    host.finished();

    host.down();
    host.untouched();
    host.quail(&["adopt", "--dry-run"], "2 messages");
    host.quail(&["adopt"], "start it as you always do");
    host.up();
    host.arrived(2);
    assert_eq!(host.sink.receive().to, ["now@away.example"]);
    host.empty();
    host.down();
    host.untouched();
    host.quail(&["adopt", "--undo"], "2 messages wait");
    assert_eq!(Adopted::tree(), before);
    host.up();
    host.arrived(2);
    assert_eq!(host.sink.receive().to, ["now@away.example"]);
    host.empty();
    println!("adoption: there and back twice, {} messages for joe, each there once", host.joe);
}
