//! The run scripts that nearly every qmail host has.
//!
//!     svscan ─> supervise ─> [ qmail-start ─> qmail-send ... ] ─> multilog
//!            └> supervise ─> tcpserver ─> [ qmail-smtpd ]       ─> multilog

use crate::letter;
use quail_tests::peers::package::Package;
use quail_tests::{Client, World, deadline, mail, place, skip, space};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A service directory with its run script.
fn service(directory: &Path, script: &str) {
    fs::create_dir_all(directory).expect("a directory");
    fs::write(directory.join("run"), format!("#!/bin/sh\nexec 2>&1\n{script}")).expect("a script");
    fs::set_permissions(directory.join("run"), Permissions::from_mode(0o755)).expect("ours");
}

/// What the logger has written so far.
fn logged(service: &Path) -> String {
    String::from_utf8_lossy(&fs::read(service.join("log/main/current")).unwrap_or_default()).into_owned()
}

/// As many lines with this text.
fn wait_logged(service: &Path, text: &str, count: usize) {
    deadline(&format!("{count} lines with {text:?}"), || logged(service).matches(text).count() >= count);
}

/// It has ended in order and is at work again.
fn wait_restarted(service: &Path) {
    deadline("it is at work again", || {
        logged(service)
            .rsplit_once(" status: exiting\n")
            .is_some_and(|(_, rest)| rest.contains(" status: local 0/"))
    });
}

/// Whatever happens, the supervisors end with the test.
struct Scan(Child);

impl Drop for Scan {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn svscan_supervise_and_multilog_run_us_by_the_usual_scripts() {
    if !place::is_root() {
        return skip("setuidgid wants root");
    }
    let world = World::as_root();
    let Some(tools) = Package::lend("daemontools", &world) else { return };
    let Some(tcp) = Package::lend("ucspi-tcp", &world) else { return };
    world.own_all();
    let path = format!("{}:{}:/usr/bin:/bin", tools.path("usr/bin").display(), tcp.path("usr/bin").display());
    let services = world.scratch().join("service");
    let (send, smtpd) = (services.join("qmail-send"), services.join("qmail-smtpd"));
    service(&send, "exec env - PATH=\"/var/qmail/bin:$PATH\" qmail-start ./Maildir/\n");
    let rules = world.scratch().join("tcp.smtp");
    fs::write(&rules, "127.:allow,RELAYCLIENT=\"\"\n:deny\n").expect("rules");
    let status = Command::new("/bin/sh")
        .args(["-c", "tcprules tcp.smtp.cdb tcp.smtp.tmp < tcp.smtp"])
        .current_dir(world.scratch())
        .env("PATH", &path)
        .status();
    assert!(status.expect("tcprules").success());
    service(
        &smtpd,
        &format!(
            "exec softlimit -m 64000000 tcpserver -v -R -H -l here.example -x {}/tcp.smtp.cdb -c 20 \\\n\
             -u `id -u qmaild` -g `id -g qmaild` {} {} /var/qmail/bin/qmail-smtpd\n",
            world.scratch().display(),
            world.address.ip(),
            world.address.port()
        ),
    );
    let logger = world.accounts().named("qmaill").clone();
    for service_directory in [&send, &smtpd] {
        let log = service_directory.join("log");
        service(&log, "exec setuidgid qmaill multilog t s999999 n20 ./main\n");
        fs::create_dir(log.join("main")).expect("a directory");
        std::os::unix::fs::chown(log.join("main"), Some(logger.uid), Some(logger.gid)).expect("root may");
    }
    let mut command = Command::new(tools.path("usr/bin/svscan"));
    command.arg(&services).env_clear().env("PATH", &path).stdin(Stdio::null()).process_group(0);
    let scan = Scan(command.spawn().expect("svscan"));
    let tool = |program: &str, arguments: &[&str], service: &Path| {
        let output = Command::new(tools.path("usr/bin").join(program)).args(arguments).arg(service).output();
        let output = output.expect("a tool");
        assert!(output.status.success(), "{program}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };

    wait_logged(&send, " status: local 0/10 remote 0/20\n", 1);
    wait_logged(&smtpd, " tcpserver: status: 0/20\n", 1);
    Client::deliver(world.address, "a@there.example", &["joe@here.example"], &letter("joe", "one"));
    let maildir = space::home_of(world.scratch(), "joe").join("Maildir");
    let texts = mail::wait_for(&maildir, 1);
    assert!(texts[0].contains("Received: from unknown (HELO client.example) (127.0.0.1)\n"), "{texts:?}");
    wait_logged(&send, " end msg ", 1);
    wait_logged(&smtpd, " status 0\n", 1);
    // tai64nlocal reads what multilog wrote of our lines.
    let current = fs::File::open(send.join("log/main/current")).expect("the log");
    let dated = Command::new(tools.path("usr/bin/tai64nlocal")).stdin(current).output().expect("tai64nlocal");
    let dated = String::from_utf8_lossy(&dated.stdout).into_owned();
    assert!(dated.lines().all(|l| l.as_bytes()[0].is_ascii_digit() && !l.starts_with('@')), "{dated}");

    // HUP reads locals again, ALRM tries everything now, TERM ends it in order and supervise starts it again.
    world.control("locals", "here.example\nalso.example\n");
    // supervise takes its commands in order: when it has paused qmail-send, the signal before was sent.
    tool("svc", &["-h"], &send);
    tool("svc", &["-p"], &send);
    deadline("it is paused", || tool("svstat", &[], &send).contains("paused"));
    tool("svc", &["-c"], &send);
    Client::deliver(world.address, "a@there.example", &["joe@also.example"], &letter("joe", "two"));
    mail::wait_for(&maildir, 2);
    tool("svc", &["-a"], &send);
    tool("svc", &["-t"], &send);
    wait_restarted(&send);
    Client::deliver(world.address, "a@there.example", &["joe@here.example"], &letter("joe", "three"));
    mail::wait_for(&maildir, 3);
    assert!(tool("svstat", &[], &send).contains(": up (pid "), "it does not stay up");
    world.wait_empty();

    // And down for good, one after the other.
    for service_directory in [&smtpd, &send] {
        tool("svc", &["-d"], service_directory);
        deadline("it is down", || tool("svstat", &[], service_directory).contains(": down "));
    }
    // Who hears of it by the end of a pipe follows in a moment.
    deadline("none of ours is left", || world.processes().values().all(|p| !p.name.starts_with("qmail")));
    drop(scan);
}

#[test]
fn runsv_and_svlogd_run_us() {
    let world = World::rootless();
    let Some(package) = Package::lend("runit", &world) else { return };
    let services = world.scratch().join("service");
    let send = services.join("qmail-send");
    service(
        &send,
        &format!(
            "exec env QUAIL_HOME={home} PATH={home}/bin:/usr/bin:/bin {home}/bin/qmail-start ./Maildir/\n",
            home = world.home().display()
        ),
    );
    service(&send.join("log"), &format!("exec {} -tt ./main\n", package.path("usr/bin/svlogd").display()));
    fs::create_dir(send.join("log/main")).expect("a directory");
    let mut open = vec![services.clone()];
    while let Some(path) = open.pop() {
        world.own(&path);
        if path.is_dir() {
            open.extend(path.read_dir().expect("ours").filter_map(Result::ok).map(|e| e.path()));
        }
    }
    world.own_all();
    let path = format!("{}:/usr/bin:/bin", package.path("usr/bin").display());
    let mut command = world.foreign_program(&package.path("usr/bin/runsv"));
    let scan = Scan(command.arg(&send).env("PATH", &path).process_group(0).spawn().expect("runsv"));
    let sv = |what: &str| {
        let mut command = world.foreign_program(&package.path("usr/bin/sv"));
        let output = command.arg(what).arg(&send).output().expect("sv");
        assert!(output.status.success(), "sv {what}: {output:?}");
    };
    wait_logged(&send, " status: local 0/10 remote 0/20\n", 1);
    for signal in ["hup", "alarm"] {
        sv(signal);
    }
    sv("term");
    wait_restarted(&send);
    sv("stop");
    wait_logged(&send, " status: exiting\n", 2);
    drop(scan);
}
