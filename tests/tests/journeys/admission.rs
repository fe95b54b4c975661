//! Who may connect: rules of tcprules(1), and what rblsmtpd(1) does.
//!
//!     tcprules ─> control/tcprules.cdb ─┐
//!     client ──SMTP──> [ qmail-smtpd --listen ] ─> joe/Maildir
//!     client ──SMTP──> tcpserver ─> rblsmtpd ─> [ qmail-smtpd ]

use crate::{letter, running};
use quail_tests::peers::ucspi::{self, Tcpserver};
use quail_tests::{Client, World, deadline, mail, skip};
use std::io::Read;
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

/// True if the world hangs up on a client without a word.
fn is_closed_to_us(world: &World) -> bool {
    let mut stream = TcpStream::connect(world.address).expect("a listener");
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    !matches!(stream.read(&mut [0; 512]), Ok(1..))
}

/// The reply to a recipient elsewhere.
fn foreign_recipient(world: &World) -> String {
    let mut client = world.connect();
    client.say_well("HELO client.example", "250");
    client.say_well("MAIL FROM:<a@there.example>", "250");
    client.say("RCPT TO:<b@elsewhere.example>")
}

#[test]
fn a_database_made_by_tcprules_holds_in_the_listener_and_is_read_again() {
    let Some(tcprules) = ucspi::program("tcprules") else { return skip("tcprules cannot be had") };
    let world = running();
    let file = world.home().join("control/tcprules.cdb");
    assert!(foreign_recipient(&world).starts_with("553"));
    ucspi::make_rules(&tcprules, &file, "127.0.0.1:allow,RELAYCLIENT=\"\"\n:deny\n");
    deadline("the rule lets us relay", || foreign_recipient(&world).starts_with("250"));
    ucspi::make_rules(&tcprules, &file, "127.0.0.0-9:deny\n:allow\n");
    deadline("the rule keeps us out", || is_closed_to_us(&world));
    world.log.wait("127.0.0.1 denied by rules");
    // Our own text goes before the database.
    world.control("tcprules", "# ours\n127.0.0.0/8:allow,DATABYTES=\"50\"\n");
    deadline("the text lets us in again", || !is_closed_to_us(&world));
    let mut client = world.connect();
    let reply = client.say("EHLO client.example");
    assert!(reply.contains("SIZE 50\r\n"), "{reply}");
    world.control("tcprules", "127.:allow\n127.:perhaps\n");
    deadline("the wrong line is told", || {
        !is_closed_to_us(&world) && world.log.count("tcprules: line 2: ") > 0
    });
    assert!(!is_closed_to_us(&world), "the rules before hold");
}

#[test]
fn a_rule_names_the_program_in_the_queue_s_place() {
    let world = running();
    let program = world.scratch().join("refuse");
    std::fs::write(
        &program,
        "#!/bin/sh\ncat >/dev/null\necho \"DWe are $WE, you $TCPREMOTEIP.\" >&4\nexit 82\n",
    )
    .unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let rule = format!("127.:allow,WE=\"closed\",QMAILQUEUE=\"{}\"\n", program.display());
    world.control("tcprules", &rule);
    let refused = || {
        let mut client = world.connect();
        client.say_well("HELO client.example", "250");
        client.say_well("MAIL FROM:<a@there.example>", "250");
        client.say_well("RCPT TO:<joe@here.example>", "250");
        client.say_well("DATA", "354");
        client.say("Subject: x\r\n\r\nb\r\n.").starts_with("554 We are closed, you 127.0.0.1.")
    };
    deadline("the rule's program is asked", refused);
}

#[test]
fn rblsmtpd_and_we_say_the_same() {
    let (Some(tcpserver), Some(rblsmtpd), Some(env)) =
        (ucspi::program("tcpserver"), ucspi::program("rblsmtpd"), Some(Path::new("/usr/bin/env")))
    else {
        return skip("rblsmtpd cannot be had");
    };
    let world = running();
    let (smtpd, rblsmtpd) = (world.home().join("bin/qmail-smtpd"), world.borrow(&rblsmtpd));
    for (value, reply) in
        [("-go away", "553 go away\r\n"), ("come later", "451 come later\r\n"), ("", "250 ")]
    {
        let variable = format!("RBLSMTPD={value}");
        let set = [env, Path::new(&variable)];
        let theirs = [&set[..], &[&rblsmtpd, &smtpd]].concat();
        let ours = [&set[..], &[smtpd.as_path()]].concat();
        world.control("tcprules", &format!("127.:allow,RBLSMTPD=\"{value}\"\n"));
        let by = |command: &[&Path]| Tcpserver::start(&world, &tcpserver, &[], command);
        for server in [by(&theirs), by(&ours)] {
            let mut client = Client::connect(server.address);
            client.say_well("HELO client.example", "250");
            client.say_well("MAIL FROM:<a@there.example>", "250");
            client.say_well("RCPT TO:<joe@here.example>", reply);
        }
        deadline("the listener says it, too", || {
            let mut client = world.connect();
            client.say_well("HELO client.example", "250");
            client.say_well("MAIL FROM:<a@there.example>", "250");
            client.say("RCPT TO:<joe@here.example>").starts_with(reply)
        });
    }
    world.deliver("a@there.example", &["joe@here.example"], &letter("let in"));
    mail::wait_for(&world.home().join("joe/Maildir"), 1);
}
