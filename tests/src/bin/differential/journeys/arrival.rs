//! From the network into a Maildir.

use crate::Notes;
use crate::ground::Ground;

/// A message, as a client writes it.
pub fn letter(subject: &str) -> String {
    format!("From: a@there.example\nTo: joe@here.example\nSubject: {subject}\n\nHello.\n.dot\n\n")
}

pub fn one(ground: &mut Ground, notes: &Notes) {
    ground.start();
    notes.add("reply", &ground.send("a@there.example", &["joe@here.example"], &letter("one")));
    ground.note_mail(notes, "joe", 1);
    ground.wait_empty();
    ground.note_log(notes);
}

pub fn several(ground: &mut Ground, notes: &Notes) {
    ground.start();
    let to = [
        "joe@here.example",
        "ann@HERE.example",
        "joe-none@here.example",
        "who@here.example",
        "JOE@here.example",
    ];
    notes.add("reply", &ground.send("ann@here.example", &to, &letter("several")));
    ground.note_mail(notes, "joe", 2);
    ground.note_mail(notes, "ann", 2);
    ground.wait_empty();
    ground.note_log(notes);
}

pub fn many(ground: &mut Ground, notes: &Notes) {
    ground.start();
    let address = ground.smtp();
    for round in 0..4 {
        let mut client = quail_tests::Client::connect(address);
        client.say_well("HELO client.example", "250");
        for number in 0..10 {
            let reply = client.transact(
                "a@there.example",
                &["joe@here.example"],
                &letter(&format!("{round}-{number}")),
            );
            assert!(reply.starts_with("250"), "{reply}");
        }
        client.say("QUIT");
    }
    ground.note_mail(notes, "joe", 40);
    ground.wait_empty();
    ground.note_log(notes);
}

pub fn loops(ground: &mut Ground, notes: &Notes) {
    ground.write("joe", ".qmail", "&ann@here.example\n", 0o600);
    ground.write("ann", ".qmail", "&joe@here.example\n", 0o600);
    ground.write("alias", ".qmail-postmaster", "./Mailbox\n", 0o600);
    ground.start();
    ground.send("", &["joe@here.example"], &letter("round"));
    ground.world.log.wait("failure:");
    ground.wait_empty();
    ground.note_log(notes);
    let address = ground.smtp();
    for hops in [99, 100, 101] {
        let mut input =
            "HELO c\r\nMAIL FROM:<a@there.example>\r\nRCPT TO:<nobody@away.example>\r\nDATA\r\n".to_owned();
        input += &"Received: by hop\r\n".repeat(hops);
        input += "\r\nbody\r\n.\r\nQUIT\r\n";
        ground.note_session(notes, &format!("{hops} hops"), address, input.as_bytes());
    }
}
