//! Dovecot shows over IMAP what we deliver, while we deliver.
//!
//!     qmail-inject ─> [ queue ─> local ] ─> joe/Maildir <── Dovecot <──IMAP── the test

use crate::letter;
use quail_tests::peers::{dovecot, package::Package};
use quail_tests::{World, deadline, mail};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

/// One session, logged in.
pub struct Session {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Session {
    /// joe's, by the settings in his home.
    pub fn start(world: &World, package: &Package) -> Self {
        let home = world.home().join("joe");
        let mut shell = world.foreign_program("/bin/sh".as_ref());
        let mut child = shell
            .args([
                "-c",
                &format!("cd {} && exec {}", home.display(), dovecot::shell(package, "imap", "imap")),
            ])
            .env("HOME", &home)
            .env("USER", "joe")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let (input, output) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        let mut session = Self { child, input, output: BufReader::new(output) };
        let greeting = session.line();
        assert!(greeting.starts_with("* PREAUTH"), "{greeting}");
        session
    }

    fn line(&mut self) -> String {
        let mut line = Vec::new();
        self.output.read_until(b'\n', &mut line).expect("an answer");
        assert!(!line.is_empty(), "it ended");
        String::from_utf8_lossy(&line).into_owned()
    }

    /// A command and its whole answer, which must be friendly.
    pub fn say(&mut self, command: &str) -> String {
        self.input.write_all(format!("t {command}\r\n").as_bytes()).expect("it listens");
        let mut all = String::new();
        loop {
            let line = self.line();
            all.push_str(&line);
            if line.starts_with("t ") {
                assert!(line.starts_with("t OK"), "{command}: {all}");
                return all;
            }
        }
    }

    /// Logs out.
    pub fn end(mut self) {
        self.say("LOGOUT");
        assert!(self.child.wait().expect("it ends").success());
    }
}

#[test]
fn dovecot_reads_and_moves_what_we_deliver_while_more_arrives() {
    let mut world = World::rootless();
    let Some(package) = Package::lend("dovecot-imapd", &world) else { return };
    world.start();
    world.inject(&["-fa@there.example"], &letter("joe@here.example", "first"));
    mail::wait_for(&world.home().join("joe/Maildir"), 1);
    dovecot::settings(&world.home().join("joe"));
    let mut session = Session::start(&world, &package);
    assert!(session.say("SELECT INBOX").contains("* 1 EXISTS"));
    let whole = session.say("FETCH 1 BODY[]");
    assert!(
        whole.contains("Return-Path: <a@there.example>\r\nDelivered-To: joe@here.example\r\n"),
        "{whole}"
    );
    assert!(whole.contains("\r\nSubject: first\r\n\r\nHello.\r\n"), "{whole}");
    for subject in ["second", "third"] {
        world.inject(&["-fa@there.example"], &letter("joe@here.example", subject));
    }
    deadline("Dovecot sees three", || session.say("SEARCH ALL").contains("* SEARCH 1 2 3\r\n"));
    // What it keeps of names and flags survives the deliveries in between.
    session.say("STORE 1 +FLAGS (\\Deleted)");
    session.say("CREATE kept");
    session.say("MOVE 2 kept");
    session.say("EXPUNGE");
    world.inject(&["-fa@there.example"], &letter("joe@here.example", "fourth"));
    deadline("Dovecot sees two", || session.say("SEARCH ALL").contains("* SEARCH 1 2\r\n"));
    let subjects = session.say("FETCH 1:2 BODY[HEADER.FIELDS (SUBJECT)]");
    assert!(subjects.contains("Subject: fourth"), "{subjects}");
    assert!(!subjects.contains("Subject: first"), "{subjects}");
    session.end();
    world.wait_empty();
}
