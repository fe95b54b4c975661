//! Defects of the original, one a note: they show here, and not in us. Each is in [`crate::known`] with its number.

use crate::Notes;
use crate::ground::Ground;
use std::fs;
use std::os::unix::fs::PermissionsExt;

pub fn of_the_original(ground: &mut Ground, notes: &Notes) {
    ground.start();
    // Nobody gets it, and nobody is told.
    ground.note_run(notes, "an address without an end", &["qmail-inject"], &[], "To: ann, joe@[1.2\n\nhi\n");
    ground.note_run(notes, "sendmail -q", &["sendmail", "-q"], &[], "");
    ground.note_run(
        notes,
        "sendmail, exit",
        &["sendmail", "-fann@here.example", "-FAnn Other", "joe"],
        &[("QMAILIDHOST", "id.example")],
        "Subject: name\n\nhi\n",
    );
    ground.note_mail(notes, "joe", 1);
    let address = ground.smtp();
    ground.note_session(notes, "a NUL in an address", address, b"MAIL FROM:<a\0b@there.example>\r\nQUIT\r\n");
    unended(ground, notes);
    ground.wait_empty();
    pop3(ground, notes);
    strange_reply(ground, notes);
}

/// A message to another host whose last line has no end.
fn unended(ground: &Ground, notes: &Notes) {
    let envelope = b"Fjoe@here.example\0Tb@away.example\0\0";
    super::queue::queue(ground, notes, "unended, exit", envelope, "Subject: unended\n\nHello.");
    ground.wait_empty();
    let bodies = ground.sink.waiting().into_iter().map(|m| String::from_utf8_lossy(&m.body).into_owned());
    notes.add("a last line without an end", &bodies.collect::<Vec<_>>().join("\n").replace('\r', ""));
}

/// What follows PASS in the same packet, and CAPA.
fn pop3(ground: &Ground, notes: &Notes) {
    let checker = ground.world.scratch().join("checker");
    let joe = ground.home("joe").display().to_string();
    fs::write(&checker, format!("#!/bin/sh\ncat <&3 >/dev/null\ncd {joe} && exec \"$@\"\n")).unwrap();
    fs::set_permissions(&checker, fs::Permissions::from_mode(0o755)).unwrap();
    let pop3d = ground.world.inside().join("bin/qmail-pop3d").display().to_string();
    let checker = checker.display().to_string();
    let popup = ground.serve("joe", &[], &["qmail-popup", "here.example", &checker, &pop3d, "Maildir"]);
    ground.note_session(notes, "CAPA", popup.address, b"CAPA\r\nQUIT\r\n");
    ground.note_session(notes, "after PASS", popup.address, b"USER joe\r\nPASS x\r\nNOOP\r\nQUIT\r\n");
}

/// A reply to RCPT that is no answer.
fn strange_reply(ground: &mut Ground, notes: &Notes) {
    ground.sink.answer("RCPT TO:<odd", "150 what");
    let before = ground.world.log.count("delivery ");
    ground.send("joe@here.example", &["odd@away.example"], "Subject: odd\n\nx\n");
    // Its start, and its end.
    ground.world.log.wait_count("delivery ", before + 2);
    let lines = ground.world.log.lines();
    let end = lines.iter().rev().find(|l| l.starts_with("delivery ")).expect("an end");
    notes.add("a reply of 150", end.split_once(": ").expect("words").1);
}
