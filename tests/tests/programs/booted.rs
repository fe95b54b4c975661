//! On a machine on which systemd is at work: units that setup writes, an original that a unit keeps, and the units and
//! sockets of the packages.
//!
//!     clients ──SMTP, POP3, QMTP, QMQP──> [ systemd ─> quail.service, quail-*.socket ] ─> /home/joe/Maildir

use crate::package::package;
use quail_tests::booted::Booted;
use quail_tests::place::{PATIENCE, programs};
use quail_tests::{Client, deadline, mail, skip};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;

/// A machine that has joe; `None`, said aloud, where that cannot be.
fn machine() -> Option<Booted> {
    let booted = match Booted::start() {
        Ok(booted) => booted,
        Err(why) => {
            skip(&why);
            return None;
        }
    };
    if booted.run("test -e /var/qmail").status.success() {
        skip("this machine has a /var/qmail");
        return None;
    }
    booted.must("useradd -m joe && echo joe:secret | chpasswd && su joe -c 'mkdir -p ~/Maildir/new ~/Maildir/cur ~/Maildir/tmp'");
    Some(booted)
}

/// As [`machine`], with the programs that were built at hand there as `/srv/bin`.
fn machine_with_programs() -> Option<Booted> {
    let booted = machine()?;
    let there = booted.machine.at("/srv/bin");
    let below = booted.machine.at(&programs().display().to_string());
    if below.join("quail").exists() {
        std::os::unix::fs::symlink(programs(), there).unwrap();
    } else {
        admin::installation::copy_programs(&programs(), &there).unwrap();
    }
    Some(booted)
}

fn maildir(booted: &Booted) -> PathBuf {
    booted.machine.at("/home/joe/Maildir")
}

fn by_smtp(subject: &str) {
    let text = format!("Subject: {subject}\n\nHello.\n");
    Client::deliver("127.0.0.1:25".parse().unwrap(), "a@there.example", &["joe@mail.here.example"], &text);
}

/// All that a server says to these bytes.
fn talk(port: u16, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a listener");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(bytes).expect("it listens");
    let mut said = Vec::new();
    stream.read_to_end(&mut said).expect("an end");
    String::from_utf8_lossy(&said).into_owned()
}

fn netstring(text: &str) -> String {
    format!("{}:{text},", text.len())
}

#[test]
fn setup_switches_on_a_unit_and_undo_takes_it_away() {
    let Some(booted) = machine_with_programs() else { return };
    let said = booted.must("/srv/bin/quail setup mail.here.example");
    assert!(said.contains("start quail.service") && said.contains("arrived in "), "{said}");
    assert_eq!(booted.state("quail.service"), "active");
    assert!(booted.must("/srv/bin/quail check").contains("everything is as it should be"));
    assert!(booted.must("/srv/bin/quail setup mail.here.example").contains("Nothing to change"));
    by_smtp("before");
    // What dies is started again, by the supervisor or by systemd.
    booted.must("systemctl kill --kill-whom=main --signal=KILL quail.service");
    deadline("it is up again", || {
        booted.state("quail.service") == "active" && TcpStream::connect("127.0.0.1:25").is_ok()
    });
    by_smtp("after");
    mail::wait_for(&maildir(&booted), 2);
    assert!(booted.must("journalctl --no-pager -u quail.service").contains("end msg"));
    booted.must("sh /var/qmail/setup/undo");
    assert!(TcpStream::connect("127.0.0.1:25").is_err());
    assert!(!booted.run("systemctl cat quail.service").status.success());
}

#[test]
fn an_original_that_a_unit_keeps_is_taken_over_and_given_back() {
    let Some(booted) = machine_with_programs() else { return };
    booted.must("/srv/bin/quail setup mail.here.example --no-service --no-sendmail");
    // As in quail_adopt.rs: our programs under the original's names only, which start in the classic form.
    booted.must(
        "cd /var/qmail && rm -r setup run control/checkrecipients bin/quail bin/quail-start bin/qmail-queued",
    );
    booted.must("printf 'notqmail home page' >> /var/qmail/bin/qmail-smtpd");
    let unit = "[Service]\nExecStart=/var/qmail/bin/qmail-start ./Maildir/\nEnvironment=PATH=/var/qmail/bin:/usr/bin:/bin\nRestart=always\n";
    fs::write(booted.machine.at("/etc/systemd/system/qmail-send.service"), unit).unwrap();
    booted.must("systemctl daemon-reload && systemctl start qmail-send.service");
    let send = |subject: &str| {
        booted.must(&format!("printf 'Subject: {subject}\\n\\nx\\n' | /var/qmail/bin/qmail-inject joe"));
    };
    let adopt = |arguments: &str, words: &str| {
        let said = booted.must(&format!("/srv/bin/quail adopt {arguments}"));
        assert!(said.contains(words), "{words:?} is not in {said}");
        assert_eq!(booted.state("qmail-send.service"), "active");
    };
    send("by the original");
    mail::wait_for(&maildir(&booted), 1);
    adopt("--dry-run", "kept by systemd as qmail-send.service");
    adopt("", "systemctl start qmail-send.service");
    booted.must("systemctl status qmail-send.service | grep qmail-queued");
    send("by us");
    mail::wait_for(&maildir(&booted), 2);
    adopt("--undo", "The host is the original's again.");
    assert!(!booted.run("systemctl status qmail-send.service | grep qmail-queued").status.success());
    send("by the original again");
    mail::wait_for(&maildir(&booted), 3);
}

#[test]
fn the_packages_start_their_units_and_leave_nothing_that_listens() {
    let Some(booted) = machine() else { return };
    let files: Vec<PathBuf> = ["quail", "quail-mta"].iter().filter_map(|n| package("first", n)).collect();
    if files.len() != 2 {
        return skip("there are no packages; `cargo xtask test` makes them");
    }
    for file in &files {
        fs::copy(file, booted.machine.at("/srv").join(file.file_name().unwrap())).unwrap();
    }
    booted.must("dpkg -i /srv/quail*.deb");
    assert_eq!(booted.state("quail.service"), "active");
    booted.must("systemctl enable --now quail-pop3.socket quail-qmtp.socket quail-qmqp.socket");
    by_smtp("by SMTP");
    let (to, from) = ("joe@mail.here.example", netstring("a@there.example"));
    let qmtp = netstring("\nSubject: by QMTP\n\nx\n") + &from + &netstring(&netstring(to));
    let qmqp = netstring(&(netstring("Subject: by QMQP\n\nx\n") + &from + &netstring(to)));
    for (port, packet) in [(209, qmtp), (628, qmqp)] {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a socket");
        stream.write_all(packet.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        assert!(said.contains(":Kok "), "{said}");
    }
    mail::wait_for(&maildir(&booted), 3);

    // Units may write what they must: the mailbox, and how often somebody was wrong.
    let newest = || {
        let new = mail::new_in(&maildir(&booted));
        new.iter().filter_map(|p| p.metadata().ok()?.modified().ok()?.elapsed().ok()).min()
    };
    deadline("POP3 shows it", || newest().is_none_or(|age| age.as_secs() >= 2));
    let said = talk(110, b"USER joe\r\nPASS secret\r\nSTAT\r\nDELE 1\r\nQUIT\r\n");
    assert!(said.contains("+OK 3 "), "{said}");
    assert_eq!(
        mail::new_in(&maildir(&booted)).len() + mail::new_in(&maildir(&booted).join("../cur")).len(),
        0
    );
    booted.must("echo 1 > /var/qmail/control/passwordfailures");
    assert!(talk(110, b"USER joe\r\nPASS wrong\r\n").contains("-ERR authorization failed"));
    assert!(talk(110, b"USER joe\r\nPASS secret\r\nQUIT\r\n").contains("-ERR authorization failed"));
    booted.must("journalctl --no-pager | grep 'joe from 127.0.0.1: too many failures of that address'");

    // Clients wait at a socket of systemd's while the service is started anew.
    booted.must("systemctl stop quail.service && systemctl enable --now quail.socket");
    by_smtp("through the socket");
    assert_eq!(booted.state("quail.service"), "active");
    booted.must("dpkg -r quail-mta quail");
    for port in [25, 110, 209, 628] {
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "something listens on {port}");
    }
    booted.must("dpkg -P quail-mta quail");
    let left = booted.must("find /etc/systemd -name '*quail*'; systemctl list-units --all --no-legend 'quail*' | grep ' active ' || true");
    assert!(left.trim().is_empty(), "{left}");
}
