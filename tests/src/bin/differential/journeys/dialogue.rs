//! What servers answer.

use crate::Notes;
use crate::ground::Ground;

/// Sessions of SMTP, by name: everything the client says.
const SESSIONS: [(&str, &str); 14] = [
    ("greeting", "QUIT\r\n"),
    ("HELO", "HELO client.example\r\nHELO\r\nQUIT\r\n"),
    ("EHLO", "EHLO client.example\r\nQUIT\r\n"),
    ("unknown", "XYZZY\r\nTURN\r\nEXPN joe\r\nQUIT\r\n"),
    ("VRFY", "VRFY joe\r\nQUIT\r\n"),
    ("NOOP and RSET", "NOOP\r\nnoop x\r\nRSET\r\nQUIT\r\n"),
    ("HELP", "HELP\r\nQUIT\r\n"),
    (
        "order",
        "RCPT TO:<joe@here.example>\r\nDATA\r\nHELO c\r\nMAIL FROM:<a@b>\r\nDATA\r\nRCPT TO:<joe@here.example>\r\nRSET\r\nDATA\r\nQUIT\r\n",
    ),
    (
        "senders",
        "MAIL FROM:<>\r\nMAIL FROM:<a@b>\r\nMAIL FROM: a@b\r\nMAIL FROM:<\"a b\"@c>\r\nMAIL FROM:<@x,@y:a@b>\r\nMAIL FROM\r\nQUIT\r\n",
    ),
    (
        "recipients",
        "MAIL FROM:<>\r\nRCPT TO:<joe@here.example>\r\nRCPT TO:joe@here.example\r\nRCPT TO:<@x:joe@here.example>\r\nRCPT TO:<joe@[127.0.0.1]>\r\nRCPT TO:<joe>\r\nRCPT TO:<a@elsewhere.example>\r\nRCPT\r\nQUIT\r\n",
    ),
    (
        "bad sender",
        "MAIL FROM:<bad@there.example>\r\nRCPT TO:<joe@here.example>\r\nMAIL FROM:<x@bad.example>\r\nRCPT TO:<joe@here.example>\r\nQUIT\r\n",
    ),
    ("no HELO", "MAIL FROM:<a@b>\r\nRCPT TO:<joe@here.example>\r\nDATA\r\nSubject: x\r\n\r\n.\r\nQUIT\r\n"),
    (
        "pipelining",
        "EHLO c\r\nMAIL FROM:<a@b> BODY=8BITMIME SIZE=100\r\nRCPT TO:<joe@here.example>\r\nDATA\r\nSubject: x\r\n\r\n..x\r\n.\r\nMAIL FROM:<a@b>\r\nRCPT TO:<joe@here.example>\r\nDATA\r\n\r\n.\r\nQUIT\r\nNOOP\r\n",
    ),
    ("end of file", "MAIL FROM:<a@b>\r\nRCPT TO:<joe@here.example>\r\nDATA\r\nhalf"),
];

pub fn conversations(ground: &mut Ground, notes: &Notes) {
    ground.world.control("badmailfrom", "bad@there.example\n@bad.example\n");
    ground.start();
    let open = ground.smtp();
    let closed = ground.serve("qmaild", &[], &["qmail-smtpd"]);
    for (name, input) in SESSIONS {
        ground.note_session(notes, &format!("{name}, relaying"), open, input.as_bytes());
        ground.note_session(notes, &format!("{name}, stranger"), closed.address, input.as_bytes());
    }
    // Twice three messages: one without HELO, two by pipelining.
    ground.note_mail(notes, "joe", 6);
    ground.wait_empty();
    ground.note_log(notes);
}

/// Bodies that are not as they should be.
const BODIES: [(&str, &str); 8] = [
    ("bare LF", "a\nb\r\n.\r\n"),
    ("bare CR", "a\rb\r\n.\r\n"),
    ("LF dot LF", "a\n.\nMAIL FROM:<>\r\n.\r\n"),
    ("LF dot CRLF", "a\n.\r\n.\r\n"),
    ("CRLF dot LF", "a\r\n.\nb\r\n.\r\n"),
    ("CR dot CRLF", "a\r.\r\n.\r\n"),
    ("CR CRLF", "a\r\r\nb\r\n.\r\n"),
    ("NUL and eight bits", "a\0b\u{e9}\r\n.\r\n"),
];

pub fn line_ends(ground: &mut Ground, notes: &Notes) {
    ground.start();
    let address = ground.smtp();
    for (name, body) in BODIES {
        let input = format!(
            "HELO c\r\nMAIL FROM:<a@there.example>\r\nRCPT TO:<joe@here.example>\r\nDATA\r\nSubject: {name}\r\n\r\n{body}"
        );
        ground.note_session(notes, name, address, input.as_bytes());
    }
    ground.wait_empty();
    ground.note_log(notes);
}

pub fn limits(ground: &mut Ground, notes: &Notes) {
    ground.world.control("databytes", "5000\n");
    ground.world.control("smtpgreeting", "mx.here.example says hello\n");
    ground.world.control("localiphost", "literal.example\n");
    ground.world.control("timeoutsmtpd", "20\n");
    ground.start();
    let address = ground.smtp();
    for (name, size) in [("below", 4_900), ("above", 6_000)] {
        let body =
            "0123456789012345678901234567890123456789012345678\n".repeat(size / 50).replace('\n', "\r\n");
        let input = format!(
            "HELO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<joe@here.example>\r\nDATA\r\n\r\n{body}.\r\nQUIT\r\n"
        );
        ground.note_session(notes, name, address, input.as_bytes());
    }
    let long = "x".repeat(900);
    for (name, input) in [
        ("long recipient", format!("MAIL FROM:<>\r\nRCPT TO:<{long}@here.example>\r\nQUIT\r\n")),
        ("long name", format!("HELO {long}\r\nQUIT\r\n")),
        ("literal", "MAIL FROM:<>\r\nRCPT TO:<joe@[127.0.0.1]>\r\nDATA\r\n\r\n.\r\nQUIT\r\n".to_owned()),
    ] {
        ground.note_session(notes, name, address, input.as_bytes());
    }
    ground.world.log.wait_count("end msg", 2);
    ground.wait_empty();
    ground.note_log(notes);
}

/// A netstring.
fn netstring(text: &str) -> String {
    format!("{}:{text},", text.len())
}

pub fn other_protocols(ground: &mut Ground, notes: &Notes) {
    ground.start();
    let qmtp = ground.serve("qmaild", &[], &["qmail-qmtpd"]);
    let recipients = netstring("joe@here.example") + &netstring("who@elsewhere.example");
    let packet =
        netstring("\nSubject: qmtp\n\nhi\n") + &netstring("a@there.example") + &netstring(&recipients);
    ground.note_session(notes, "QMTP", qmtp.address, packet.as_bytes());
    ground.note_session(notes, "QMTP, nonsense", qmtp.address, b"12x:");
    let qmqp = ground.serve("qmaild", &[], &["qmail-qmqpd"]);
    let inner =
        netstring("Subject: qmqp\n\nhi\n") + &netstring("a@there.example") + &netstring("joe@here.example");
    ground.note_session(notes, "QMQP", qmqp.address, netstring(&inner).as_bytes());
    ground.note_session(notes, "QMQP, nonsense", qmqp.address, b"2:ab,");
    ground.note_mail(notes, "joe", 2);
    ground.wait_empty();
    let popup = ground.serve("root", &[], &["qmail-popup", "here.example", "/bin/false"]);
    for (name, input) in
        [("POP3 before", "USER joe\r\nSTAT\r\nNOOP\r\nQUIT\r\n"), ("POP3 refused", "USER joe\r\nPASS x\r\n")]
    {
        ground.note_session(notes, name, popup.address, input.as_bytes());
    }
    // What arrived in this very second is shown from the next one on.
    let newest = quail_tests::mail::new_in(&ground.maildir("joe"));
    let newest =
        newest.iter().filter_map(|p| p.metadata().and_then(|m| m.modified()).ok()).max().expect("mail");
    quail_tests::deadline("a second later", || newest.elapsed().is_ok_and(|age| age.as_secs() >= 2));
    let maildir = ground.maildir("joe").display().to_string();
    let pop3d = ground.serve("joe", &[("USER", "joe")], &["qmail-pop3d", &maildir]);
    let input = "STAT\r\nLIST\r\nLIST 1\r\nLIST 9\r\nRETR 2\r\nTOP 1 1\r\nDELE 1\r\nRETR 1\r\nLAST\r\nRSET\r\nDELE 1\r\nDELE 2\r\nQUIT\r\n";
    ground.note_session(notes, "POP3", pop3d.address, input.as_bytes());
    notes.add("left", &quail_tests::mail::new_in(&ground.maildir("joe")).len().to_string());
}
