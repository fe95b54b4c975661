//! The Debian packages, installed on a copy of this machine: beside another mail system, in its place, upgraded, removed
//! and purged. What is left is looked at file by file, as piuparts does.
//!
//! The packages are those that `cargo xtask test` has made, one version and the next (`QUAIL_PACKAGES`).

use quail_tests::machine::{Machine, Service};
use quail_tests::own_host::text;
use quail_tests::{deadline, mail, place, skip};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// A package of ours, by its name, in one of two versions.
pub fn package(version: &str, name: &str) -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("QUAIL_PACKAGES")?).join(version);
    let mut files = folder.read_dir().ok()?.filter_map(Result::ok).map(|e| e.path());
    files.find(|f| f.file_name().is_some_and(|n| n.to_string_lossy().starts_with(&format!("{name}_"))))
}

/// A copy of this machine, with the packages of both versions and another mail system's in /srv.
fn machine() -> Option<Machine> {
    if !place::is_root() {
        skip("only root installs packages");
        return None;
    }
    if package("second", "quail-mta").is_none() {
        skip("there are no packages; `cargo xtask test` makes them");
        return None;
    }
    let machine = match Machine::copy() {
        Ok(machine) => machine,
        Err(why) => {
            skip(&why);
            return None;
        }
    };
    let others = machine.run("dpkg-query", &["-W", "-f", "${Package}:${Provides}\n"]);
    if text(&others).contains("mail-transport-agent") || machine.at("/var/qmail").exists() {
        skip("this machine has a mail system already");
        return None;
    }
    for version in ["first", "second"] {
        for name in ["quail", "quail-mta"] {
            let file = package(version, name).expect("it was there");
            fs::create_dir_all(machine.at(&format!("/srv/{version}"))).unwrap();
            fs::copy(file, machine.at(&format!("/srv/{version}/{name}.deb"))).unwrap();
        }
    }
    other_mail_system(&machine);
    Some(machine)
}

/// Debian's dma where it is at hand, else a package that is one in name.
fn other_mail_system(machine: &Machine) {
    let archives = place::package("dma").and_then(|p| Some(p.parent()?.join("archives")));
    if let Some(archives) = archives {
        for name in ["dma", "ucf"] {
            let found = archives.read_dir().unwrap().filter_map(Result::ok).map(|e| e.path());
            let is_it =
                |f: &PathBuf| f.file_name().unwrap().to_string_lossy().starts_with(&format!("{name}_"));
            if let Some(file) = found.into_iter().find(is_it) {
                fs::copy(file, machine.at(&format!("/srv/{name}.deb"))).unwrap();
            }
        }
        return;
    }
    let root = machine.at("/srv/other");
    fs::create_dir_all(root.join("usr/sbin")).unwrap();
    fs::create_dir_all(root.join("DEBIAN")).unwrap();
    fs::write(root.join("usr/sbin/sendmail"), "#!/bin/sh\ncat > /dev/null\n").unwrap();
    let fields = "Package: dma\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b.example>\n\
                  Provides: mail-transport-agent\nConflicts: mail-transport-agent\n\
                  Replaces: mail-transport-agent\nDescription: another mail system\n";
    fs::write(root.join("DEBIAN/control"), fields).unwrap();
    machine.must("dpkg-deb", &["--root-owner-group", "-Znone", "--build", "/srv/other", "/srv/dma.deb"]);
    fs::remove_dir_all(root).unwrap();
}

fn install(machine: &Machine, files: &[&str]) -> String {
    let mut args = vec!["--force-unsafe-io", "--install"];
    args.extend(files);
    machine.must("dpkg", &args)
}

fn install_other(machine: &Machine) {
    if machine.at("/srv/ucf.deb").exists() {
        install(machine, &["/srv/ucf.deb"]);
    }
    // Its questions are answered, since nobody is asked.
    let answers = "dma dma/mailname string mail.here.example\ndma dma/relayhost string localhost\n";
    fs::write(machine.at("/srv/answers"), answers).unwrap();
    let _ = machine.run("debconf-set-selections", &["/srv/answers"]);
    install(machine, &["/srv/dma.deb"]);
}

fn purge(machine: &Machine, names: &[&str]) -> String {
    let mut args = vec!["--force-unsafe-io", "--purge"];
    args.extend(names);
    machine.must("dpkg", &args)
}

/// Changed files that a clean machine may have after a purge: dpkg's own records, accounts, logs and what we put there.
fn left(machine: &Machine) -> Vec<String> {
    let is_expected = |path: &String| {
        ["/var/lib/dpkg/", "/var/log/", "/var/cache/", "/srv/", "/var/lib/systemd/", "/var/lib/ucf/"]
            .iter()
            .any(|p| path.starts_with(p))
            || ["passwd", "group", "shadow", "gshadow"].iter().any(|n| path.starts_with(&format!("/etc/{n}")))
            || ["/etc/hosts", "/etc/.pwd.lock", "/var/lib/man-db/auto-update", "/etc/subuid", "/etc/subgid"]
                .iter()
                .any(|p| path.starts_with(p))
    };
    machine.changed().into_iter().filter(|p| !is_expected(p)).collect()
}

/// The control files that `quail setup` writes, for a host that listens on loopback, and a user with a Maildir.
fn settle(machine: &Machine) {
    for (name, text) in [
        ("me", "mail.here.example\n"),
        ("locals", "mail.here.example\n"),
        ("rcpthosts", "mail.here.example\n"),
        ("smtplisten", "127.0.0.1:25\n"),
    ] {
        fs::write(machine.at(&format!("/var/qmail/control/{name}")), text).unwrap();
    }
    if !machine.at("/home/joe").exists() {
        machine.must("useradd", &["--create-home", "joe"]);
    }
}

/// The mail system as its unit starts it: the run script, with no more capabilities than the unit leaves.
fn start(machine: &Machine) -> Service {
    let unit = fs::read_to_string(machine.at("/lib/systemd/system/quail.service")).unwrap();
    let line = |name: &str| unit.lines().find_map(|l| l.strip_prefix(name)).unwrap().to_owned();
    let bounding: String = line("CapabilityBoundingSet=")
        .split_whitespace()
        .map(|c| format!(",+{}", c.trim_start_matches("CAP_").to_ascii_lowercase()))
        .collect();
    let program = line("ExecStart=");
    let bounding = format!("-all{bounding}");
    let mut args = vec!["--bounding-set", &bounding];
    args.extend(program.split_whitespace());
    let service = Service::start(machine.command("setpriv", &args));
    let door = machine.at("/var/qmail/run/queue");
    deadline("the queue service answers", || std::os::unix::net::UnixStream::connect(&door).is_ok());
    service
}

/// Sends joe a message through a program that takes recipients as arguments.
fn send(machine: &Machine, program: &str, subject: &str) {
    send_to(machine, program, "joe", subject);
}

fn send_to(machine: &Machine, program: &str, user: &str, subject: &str) {
    let mut command = machine.command(program, &[&format!("{user}@mail.here.example")]);
    command.env("QMAILUSER", "ann").env("USER", "root");
    let mut child = command.stdin(Stdio::piped()).spawn().expect("it starts");
    write!(child.stdin.take().expect("a pipe"), "Subject: {subject}\n\nHello.\n").expect("it reads");
    assert!(child.wait().expect("it ends").success(), "{program}");
}

fn arrives(machine: &Machine, subject: &str) {
    let maildir = machine.at("/home/joe/Maildir");
    let is_it = |text: &String| text.contains(&format!("Subject: {subject}\n"));
    deadline(&format!("{subject} in joe's Maildir"), || mail::texts(&maildir).iter().any(is_it));
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o7777
}

fn maildir_for_joe(machine: &Machine) {
    machine.must(
        "setpriv",
        &["--reuid=joe", "--regid=joe", "--clear-groups", "/var/qmail/bin/maildirmake", "/home/joe/Maildir"],
    );
}

#[test]
fn the_packages_install_upgrade_and_remove_cleanly_beside_and_instead_of_another_mail_system() {
    let Some(machine) = machine() else { return };
    let sendmail = |what: &str| {
        let to = fs::canonicalize(machine.at("/usr/sbin/sendmail")).ok();
        let is_ours = fs::read_link(machine.at("/usr/sbin/sendmail"))
            .is_ok_and(|l| l.ends_with("var/qmail/bin/sendmail"));
        assert_eq!(is_ours, what == "ours", "{to:?}");
    };

    // Beside another: it takes nothing and starts nothing.
    install_other(&machine);
    install(&machine, &["/srv/first/quail.deb"]);
    sendmail("the other's");
    assert!(!machine.at("/etc/systemd/system/multi-user.target.wants/quail.service").exists());
    assert_eq!(machine.must("dpkg", &["--audit", "quail"]), "");
    assert_eq!(machine.must("dpkg", &["--verify", "quail"]), "");
    let queue = machine.at("/var/qmail/bin/qmail-queue");
    let owner = machine.must("id", &["-u", "qmailq"]).trim().parse::<u32>().unwrap();
    assert_eq!((queue.metadata().unwrap().uid(), mode(&queue)), (owner, 0o4711));
    assert_eq!(mode(&machine.at("/var/qmail/bin/qmail-lspawn")), 0o700);
    assert_eq!(mode(&machine.at("/var/qmail/queue/lock/trigger")), 0o622);
    assert_eq!(machine.at("/var/qmail/queue/mess").read_dir().unwrap().count(), 23);
    settle(&machine);
    maildir_for_joe(&machine);
    {
        let _service = start(&machine);
        send(&machine, "/var/qmail/bin/qmail-inject", "beside");
        arrives(&machine, "beside");
    }

    // A message waits while the next version is unpacked; nothing of the administrator's changes.
    send(&machine, "/var/qmail/bin/qmail-inject", "waiting");
    let me = machine.at("/var/qmail/control/me");
    fs::write(machine.at("/var/qmail/control/databytes"), "1000000\n").unwrap();
    let before = me.metadata().unwrap();
    install(&machine, &["/srv/second/quail.deb"]);
    install(&machine, &["/srv/second/quail.deb"]);
    let after = me.metadata().unwrap();
    assert_eq!((before.ino(), before.mtime(), before.uid()), (after.ino(), after.mtime(), after.uid()));
    assert!(machine.at("/var/qmail/control/databytes").exists());
    assert_eq!(mode(&queue), 0o4711);

    // Instead of it, as apt does it: the other first goes. The service starts with the machine.
    assert!(!machine.run("dpkg", &["--install", "/srv/second/quail-mta.deb"]).status.success());
    machine.must("dpkg", &["--force-unsafe-io", "--remove", "dma"]);
    install(&machine, &["/srv/second/quail-mta.deb"]);
    sendmail("ours");
    assert!(
        machine.at("/etc/systemd/system/multi-user.target.wants/quail.service").symlink_metadata().is_ok()
    );
    {
        let _service = start(&machine);
        arrives(&machine, "waiting");
        send(&machine, "/usr/sbin/sendmail", "instead");
        arrives(&machine, "instead");
    }

    // And back, with a message in the queue, which no removal and no purge takes.
    send(&machine, "/usr/lib/sendmail", "kept");
    machine.must("dpkg", &["--force-unsafe-io", "--remove", "quail-mta"]);
    assert!(
        machine.at("/etc/systemd/system/multi-user.target.wants/quail.service").symlink_metadata().is_err()
    );
    install_other(&machine);
    sendmail("the other's");
    machine.must("dpkg", &["--force-unsafe-io", "--remove", "quail"]);
    assert!(!machine.at("/var/qmail/bin").exists());
    assert!(me.exists());
    let said = purge(&machine, &["quail"]);
    assert!(said.contains("it stays"), "{said}");
    assert!(me.exists() && machine.at("/var/qmail/queue").exists());

    install(&machine, &["/srv/first/quail.deb"]);
    {
        let service = start(&machine);
        arrives(&machine, "kept");
        service.log.wait("end msg");
    }
    purge(&machine, &["quail", "quail-mta"]);
    assert!(!machine.at("/var/qmail").exists());
}

#[test]
fn a_purge_leaves_nothing_but_accounts() {
    let Some(machine) = machine() else { return };
    let aliases = machine.at("/etc/aliases");
    let before = fs::read(&aliases).ok();
    fs::write(&aliases, "# Debian's\npostmaster: root\nroot: joe\nclub: joe\n").unwrap();
    install(&machine, &["/srv/first/quail.deb", "/srv/first/quail-mta.deb"]);
    settle(&machine);
    maildir_for_joe(&machine);
    {
        let _service = start(&machine);
        send(&machine, "/usr/sbin/sendmail", "gone");
        arrives(&machine, "gone");
        for user in ["root", "postmaster", "club"] {
            send_to(&machine, "/usr/sbin/sendmail", user, user);
            arrives(&machine, user);
        }
        assert!(machine.run("mailq", &[]).status.success());
        let mess = machine.at("/var/qmail/queue/mess");
        let is_empty = |folder: fs::DirEntry| folder.path().read_dir().is_ok_and(|mut d| d.next().is_none());
        deadline("an empty queue", || mess.read_dir().unwrap().filter_map(Result::ok).all(is_empty));
    }
    install(&machine, &["/srv/second/quail.deb", "/srv/second/quail-mta.deb"]);
    machine.must("userdel", &["--remove", "joe"]);
    purge(&machine, &["quail-mta", "quail"]);
    match before {
        Some(text) => fs::write(&aliases, text).unwrap(),
        None => fs::remove_file(&aliases).unwrap(),
    }
    let left: Vec<_> = left(&machine).into_iter().filter(|p| p != "/etc/aliases").collect();
    assert_eq!(left, Vec::<String>::new());
    assert!(!machine.at("/var/qmail").exists());
    assert!(!text(&machine.run("dpkg-statoverride", &["--list"])).contains("qmail"));
}

#[test]
fn a_qmail_that_was_there_keeps_its_files_through_installation_and_purge() {
    let Some(machine) = machine() else { return };
    let home = machine.at("/var/qmail");
    for part in ["bin", "control", "alias"] {
        fs::create_dir_all(home.join(part)).unwrap();
    }
    fs::write(home.join("bin/qmail-send"), "#!/bin/sh\n").unwrap();
    fs::write(home.join("control/me"), "old.example\n").unwrap();
    fs::write(home.join("alias/.qmail-root"), "&somebody\n").unwrap();
    // An administrator who wants no setuid program has said so.
    install(&machine, &["/srv/first/quail.deb"]);
    machine.must("dpkg-statoverride", &["--remove", "/var/qmail/bin/qmail-queue"]);
    machine.must(
        "dpkg-statoverride",
        &["--update", "--add", "root", "root", "0755", "/var/qmail/bin/qmail-queue"],
    );
    install(&machine, &["/srv/second/quail.deb"]);
    assert_eq!(mode(&home.join("bin/qmail-queue")), 0o755);
    assert_eq!(fs::read_to_string(home.join("bin.before-quail/qmail-send")).unwrap(), "#!/bin/sh\n");
    assert_ne!(fs::read_to_string(home.join("control/me")).unwrap(), "");
    purge(&machine, &["quail"]);
    assert_eq!(fs::read_to_string(home.join("control/me")).unwrap(), "old.example\n");
    assert_eq!(fs::read_to_string(home.join("alias/.qmail-root")).unwrap(), "&somebody\n");
    assert_eq!(fs::read_to_string(home.join("bin.before-quail/qmail-send")).unwrap(), "#!/bin/sh\n");
    assert!(!home.join("queue").exists() && !home.join("bin").exists());
}

#[test]
fn units_and_sockets_are_what_systemd_accepts() {
    let Some(machine) = machine() else { return };
    if !machine.at("/usr/bin/systemd-analyze").exists() {
        return skip("systemd-analyze is not installed");
    }
    install(&machine, &["/srv/first/quail.deb"]);
    let folder = machine.at("/lib/systemd/system");
    for entry in folder.read_dir().unwrap().filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with("quail") {
            continue;
        }
        let unit = format!("/lib/systemd/system/{name}");
        let output = machine.run("systemd-analyze", &["verify", "--man=no", "--recursive-errors=no", &unit]);
        let said = text(&output);
        assert!(!said.contains("quail"), "{name}: {said}");
    }
}

/// The command of a unit that serves one connection.
fn command_of(machine: &Machine, unit: &str) -> Vec<String> {
    let text = fs::read_to_string(machine.at(&format!("/lib/systemd/system/{unit}"))).unwrap();
    let line = text.lines().find_map(|l| l.strip_prefix("ExecStart=")).expect("a command");
    line.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn a_connection_to_the_qmtp_socket_puts_a_message_into_the_queue() {
    let Some(machine) = machine() else { return };
    if !machine.at("/usr/bin/systemd-socket-activate").exists() {
        return skip("systemd-socket-activate is not installed");
    }
    install(&machine, &["/srv/first/quail.deb"]);
    settle(&machine);
    maildir_for_joe(&machine);
    let _service = start(&machine);
    // What systemd does for quail-qmtp.socket: a process for each connection, as qmaild.
    let program = command_of(&machine, "quail-qmtp@.service");
    let mut args = vec!["--reuid=qmaild", "--regid=nofiles", "--clear-groups", "--no-new-privs"];
    args.extend(["systemd-socket-activate", "--accept", "--inetd", "--listen=127.0.0.1:2090"]);
    args.extend(program.iter().map(String::as_str));
    let _sockets = Service::start(machine.command("setpriv", &args));
    let mut stream = None;
    deadline("the socket", || {
        stream = std::net::TcpStream::connect("127.0.0.1:2090").ok();
        stream.is_some()
    });
    let mut stream = stream.expect("it is there");
    stream.set_read_timeout(Some(place::PATIENCE)).unwrap();
    let netstring = |bytes: &str| format!("{}:{bytes},", bytes.len());
    let message = "\nSubject: qmtp\n\nHello.\n";
    let recipients = netstring(&netstring("joe@mail.here.example"));
    let said = format!("{}{}{recipients}", netstring(message), netstring("ann@there.example"));
    stream.write_all(said.as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    assert!(answer.contains(":K"), "{answer}");
    arrives(&machine, "qmtp");
}
