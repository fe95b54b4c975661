//! Programs that people and scripts call.

use crate::Notes;
use crate::ground::Ground;
use std::fs;

/// Messages for injection, by name: program and arguments, variables, text.
type Case = (&'static str, &'static [&'static str], &'static [(&'static str, &'static str)], &'static str);

const CASES: [Case; 14] = [
    ("plain", &["qmail-inject"], &[], "To: joe\nSubject: x\n\nhi\n"),
    ("no recipients", &["qmail-inject"], &[], "Subject: x\n\nhi\n"),
    ("arguments", &["qmail-inject", "-fa@there.example", "joe"], &[], "To: ann\n\nhi\n"),
    ("both", &["qmail-inject", "-H", "joe"], &[], "To: ann\n\nhi\n"),
    ("Bcc", &["qmail-inject"], &[], "To: joe\nBcc: ann\n\nhi\n"),
    ("resent", &["qmail-inject"], &[], "To: x@elsewhere.example\nResent-To: joe\n\nhi\n"),
    (
        "names",
        &["qmail-inject"],
        &[("QMAILUSER", "me"), ("QMAILNAME", "Me \"too\""), ("QMAILHOST", "h.example")],
        "To: Joe <joe>, (ann) ann; \n\nhi\n",
    ),
    ("groups", &["qmail-inject"], &[], "To: all: joe, ann;\nCc: \"joe\"@here.example\n\nhi\n"),
    ("VERP", &["qmail-inject", "-fa@there.example"], &[("QMAILINJECT", "r")], "To: joe\n\nhi\n"),
    ("sendmail -t", &["sendmail", "-t", "-fa@there.example"], &[], "To: joe\nBcc: ann\n\nhi\n"),
    ("sendmail arguments", &["sendmail", "-oi", "-FName", "--", "joe"], &[], "Subject: x\n\n.\nhi\n"),
    (
        "sendmail -bs",
        &["sendmail", "-bs"],
        &[],
        "HELO x\r\nMAIL FROM:<a@there.example>\r\nRCPT TO:<joe@here.example>\r\nDATA\r\nSubject: x\r\n\r\nhi\r\n.\r\nQUIT\r\n",
    ),
    ("sendmail -bd", &["sendmail", "-bd"], &[], ""),
    ("not a message", &["qmail-inject", "joe"], &[], "no header here\nat all\n"),
];

pub fn injection(ground: &mut Ground, notes: &Notes) {
    ground.world.control("defaultdomain", "here.example\n");
    ground.world.control("defaulthost", "here.example\n");
    ground.start();
    for (name, program, variables, text) in CASES {
        let variables = [variables, &[("USER", "root"), ("QMAILIDHOST", "id.example")]].concat();
        ground.note_run(notes, name, program, &variables, text);
    }
    ground.wait_empty();
    for user in ["joe", "ann"] {
        let texts = quail_tests::mail::texts(&ground.maildir(user)).len();
        ground.note_mail(notes, user, texts);
    }
    ground.note_log(notes);
}

pub fn administration(ground: &mut Ground, notes: &Notes) {
    ground.world.own_all();
    let home = ground.world.home().to_path_buf();
    fs::write(home.join("users/assign"), "=joe:joe:1:1:/tmp:::\n+joe-:joe:1:1:/tmp:-::\n.\n").unwrap();
    ground.note_run(notes, "qmail-newu", &["qmail-newu"], &[], "");
    notes.add("users/cdb", &fs::read(home.join("users/cdb")).unwrap_or_default().escape_ascii().to_string());
    ground.world.control("morercpthosts", "a.example\n.B.example\n# comment\n");
    ground.note_run(notes, "qmail-newmrh", &["qmail-newmrh"], &[], "");
    notes.add(
        "morercpthosts.cdb",
        &fs::read(home.join("control/morercpthosts.cdb")).unwrap_or_default().escape_ascii().to_string(),
    );
    ground.note_run(notes, "qmail-tcpto", &["qmail-tcpto"], &[], "");
    ground.note_run(notes, "qmail-tcpok", &["qmail-tcpok"], &[], "");
    ground.note_run(
        notes,
        "qmail-pw2u",
        &["qmail-pw2u", "-u"],
        &[],
        "joe:x:64310:64310::/:/bin/sh\nroot:x:0:0::/root:/bin/sh\n",
    );
    ground.world.control("badmailfrom", "x@y.example\n");
    ground.world.control("concurrencylocal", "7\n");
    ground.note_run(notes, "qmail-showctl", &["qmail-showctl"], &[], "");
    let maildir = ground.home("joe").join("new-maildir").display().to_string();
    ground.note_run(notes, "maildirmake", &["maildirmake", &maildir], &[], "");
}
