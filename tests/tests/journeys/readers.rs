//! Other people's programs read what we deliver, and start what we are.
//!
//!     client ──SMTP──> [ Quail ] ─> joe/Maildir <── mutt
//!     client ──SMTP──> tcpserver ─> [ qmail-smtpd on descriptors 0 and 1 ] ─> joe/Maildir

use crate::{letter, running};
use quail_tests::peers::ucspi::{self, Tcpserver};
use quail_tests::{Client, World, deadline, mail, place, skip};
use std::io::{Read, Write};
use std::process::{Command, Stdio};

#[test]
fn mutt_reads_our_maildir() {
    let Some(mutt) = place::program_of("mutt", "mutt") else { return skip("mutt cannot be had") };
    let Some(script) = place::program_of("bsdutils", "script") else {
        return skip("mutt wants a terminal: no script(1)");
    };
    let world = running();
    world.deliver("a@there.example", &["joe@here.example"], &letter("for mutt"));
    mail::wait_for(&world.home().join("joe/Maildir"), 1);
    let (settings, shown) = (world.scratch().join("muttrc"), world.scratch().join("shown"));
    // Without an existing folder it would ask whether to make one.
    let set =
        ["mbox_type=Maildir", "quit=yes", "wait_key=no", &format!("folder={}", world.scratch().display())]
            .map(|setting| format!("set {setting}\n"));
    std::fs::write(&settings, set.concat()).expect("settings");
    let command = format!(
        "{} -n -F {} -R -f {}",
        mutt.display(),
        settings.display(),
        world.home().join("joe/Maildir").display()
    );
    // With a limit: a reader that asks a question would wait for an answer for ever.
    let mut child = Command::new("timeout")
        .arg("25")
        .arg(script)
        .args(["-qec", &command, "/dev/null"])
        .env("TERM", "xterm")
        .env("HOME", world.scratch())
        .env("LD_LIBRARY_PATH", quail_tests::peers::libraries_of("mutt"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script(1)");
    let mut keyboard = child.stdin.take().expect("a pipe");
    let mut screen = child.stdout.take().expect("a pipe");
    let mut shows = Vec::new();
    while !String::from_utf8_lossy(&shows).contains("Msgs:1") {
        let mut more = [0; 4096];
        let got = screen.read(&mut more).expect("a screen");
        assert!(got > 0, "mutt ended: {}", String::from_utf8_lossy(&shows));
        shows.extend_from_slice(&more[..got]);
    }
    // Nobody reads the screen from here on; a pipe holds more than mutt still has to draw.
    keyboard.write_all(format!("|cat > {}\r", shown.display()).as_bytes()).expect("it listens");
    deadline("the message is there", || std::fs::read(&shown).is_ok_and(|text| text.ends_with(b"Hello.\n")));
    keyboard.write_all(b"x").expect("it listens");
    assert!(child.wait().expect("it ends").success());
    let text = std::fs::read_to_string(&shown).expect("what mutt gave");
    for line in ["Subject: for mutt", "Delivered-To: joe@here.example"] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
}

#[test]
fn tcpserver_runs_our_smtpd() {
    let Some(tcpserver) = ucspi::program("tcpserver") else {
        return skip("tcpserver cannot be had");
    };
    let world: World = running();
    let smtpd = world.home().join("bin/qmail-smtpd");
    // The session has the classic descriptors and the variables of tcp-environ(5).
    let server = Tcpserver::start(&world, &tcpserver, &["-v"], &[&smtpd]);
    let reply = Client::deliver(server.address, "a@there.example", &["joe@here.example"], &letter("classic"));
    assert!(reply.contains(" qp "), "{reply}");
    let texts = mail::wait_for(&world.home().join("joe/Maildir"), 1);
    assert!(texts[0].contains("Received: from unknown (HELO client.example) (127.0.0.1)\n"), "{texts:?}");
}
