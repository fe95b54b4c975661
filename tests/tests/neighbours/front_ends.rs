//! Servers that others wrote in front of our programs, and checkers of passwords that others wrote behind them.
//!
//!     client ──SMTP──> mailfront ─> [ qmail-queue ─> ... ] ─> joe/Maildir
//!     [ qmail-qmqpc ] ──QMQP──> mailfront ─> [ qmail-queue ─> ... ] ─> joe/Maildir
//!     client ──POP3──> [ qmail-popup ] ─> cvm-checkpassword ─> [ qmail-pop3d ] <─ joe/Maildir
//!     client ──POP3──> pop3front-auth ─> [ qmail-pop3d ] <─ joe/Maildir

use crate::letter;
use quail_tests::peers::{package::Package, ucspi::Tcpserver};
use quail_tests::{Client, World, deadline, mail, place, skip, space};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Stdio;

/// mailfront with that protocol before our qmail-queue.
fn mailfront(world: &World, protocol: &str, plugins: &[&str]) -> Option<Tcpserver> {
    let package = Package::lend("mailfront", world)?;
    let modules = package.path("usr/lib/mailfront").display().to_string();
    let (program, home) =
        (package.path("usr/sbin/mailfront").display().to_string(), world.inside().display());
    let variables = [
        ("LD_LIBRARY_PATH", package.libraries()),
        ("MODULE_PATH", modules),
        // Its plugins read our control files there, and start bin/qmail-queue.
        ("QMAILHOME", home.to_string()),
    ];
    let variables: Vec<(&str, &str)> = variables.iter().map(|(n, v)| (*n, v.as_str())).collect();
    Tcpserver::before(world, &variables, &[&[program.as_str(), protocol, "qmail"], plugins].concat())
}

#[test]
fn mailfront_queues_with_our_qmail_queue_what_our_control_files_allow() {
    let mut world = World::rootless();
    world.control("badmailfrom", "bad@there.example\n");
    let Some(server) =
        mailfront(&world, "smtp", &["check-fqdn", "counters", "qmail-validate", "add-received"])
    else {
        return;
    };
    world.start();
    let mut client = Client::connect(server.address);
    client.say_well("EHLO client.example", "250");
    let refused = client.say("MAIL FROM:<bad@there.example>");
    let refused = if refused.starts_with('5') { refused } else { client.say("RCPT TO:<joe@here.example>") };
    assert!(refused.starts_with('5'), "{refused}");
    client.say("RSET");
    client.say_well("MAIL FROM:<a@there.example>", "250");
    let refused = client.say("RCPT TO:<b@elsewhere.example>");
    assert!(refused.starts_with('5'), "{refused}");
    client.say("RSET");
    let reply = client.transact("a@there.example", &["joe@here.example"], &letter("joe", "by mailfront"));
    assert!(reply.starts_with("250 ") && reply.contains("qp "), "{reply}");
    client.say_well("QUIT", "221");
    let texts = mail::wait_for(&world.home().join("joe/Maildir"), 1);
    assert!(texts[0].contains("\nSubject: by mailfront\n") && texts[0].ends_with("\nHello.\n"), "{texts:?}");
    world.wait_empty();
}

#[test]
fn qmail_qmqpc_hands_over_to_mailfront() {
    let mut world = World::rootless();
    let Some(server) = mailfront(&world, "qmqp", &["relayclient", "qmail-validate", "add-received"]) else {
        return;
    };
    world.control("qmqpservers", &format!("{}\n", server.address));
    world.start();
    let mut child = world
        .program("qmail-inject")
        .env("QMAILQUEUE", world.inside().join("bin/qmail-qmqpc"))
        .args(["-fa@there.example", "joe@here.example"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("qmail-inject");
    let text = letter("joe@here.example", "by QMQP");
    child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("it reads");
    assert!(child.wait().expect("it ends").success());
    let texts = mail::wait_for(&world.home().join("joe/Maildir"), 1);
    assert!(texts[0].starts_with("Return-Path: <a@there.example>\n"), "{texts:?}");
    assert!(texts[0].contains("\nSubject: by QMQP\n") && texts[0].ends_with("\nHello.\n"), "{texts:?}");
}

#[test]
fn cvm_qmail_finds_the_users_that_our_qmail_newu_wrote() {
    let mut world = World::rootless();
    let Some(package) = Package::lend("cvm", &world) else { return };
    world.control("virtualdomains", "virtual.example:joe-virtual\n");
    world.dot_qmail("joe", "-virtual-sales", "./Maildir/\n");
    world.start();
    let ask = |account: &str, domain: &str| {
        let output = package
            .command(&world, "usr/bin/cvm-testclient")
            .arg(format!("cvm-command:{}", package.path("usr/bin/cvm-qmail").display()))
            .args([account, domain])
            // Look-ups without a password are allowed to whoever knows the secret, which is empty.
            .arg("")
            .env("CVM_LOOKUP_SECRET", "")
            .env("QMAIL_ROOT", world.inside())
            .output()
            .expect("cvm-testclient");
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let home = world.home().join("joe").display().to_string();
    let (known, facts) = ask("joe", "here.example");
    assert!(known && facts.contains(&home), "{facts}");
    let (known, facts) = ask("sales", "virtual.example");
    assert!(known && facts.contains(&home), "{facts}");
    let (known, facts) = ask("nobody", "virtual.example");
    assert!(!known, "{facts}");
}

/// A session of POP3 with this password; gives the first message, or the refusal.
fn pop3(address: SocketAddr, password: &str) -> Result<String, String> {
    let mut stream = BufReader::new(TcpStream::connect(address).expect("a listener"));
    stream.get_ref().set_read_timeout(Some(place::PATIENCE)).expect("a limit");
    let hear = |stream: &mut BufReader<TcpStream>| {
        let mut line = String::new();
        stream.read_line(&mut line).expect("an answer");
        if line.starts_with("+OK") { Ok(line) } else { Err(line) }
    };
    let say = |stream: &mut BufReader<TcpStream>, line: &str| {
        stream.get_mut().write_all(format!("{line}\r\n").as_bytes()).expect("it listens");
        hear(stream)
    };
    hear(&mut stream)?;
    say(&mut stream, "USER joe")?;
    say(&mut stream, &format!("PASS {password}"))?;
    let sizes = say(&mut stream, "STAT")?;
    if sizes.starts_with("+OK 0 ") {
        return Err(sizes);
    }
    say(&mut stream, "RETR 1")?;
    let mut text = String::new();
    while !text.ends_with("\r\n.\r\n") {
        assert!(stream.read_line(&mut text).expect("a line") > 0, "{text}");
    }
    say(&mut stream, "QUIT")?;
    Ok(text)
}

/// A started world as root with one message for joe, and his password in a file that cvm-pwfile reads.
fn with_a_password() -> Option<(World, Package)> {
    if !place::is_root() {
        skip("only root can become somebody else");
        return None;
    }
    let mut world = World::as_root();
    let package = Package::lend("cvm", &world)?;
    world.start();
    world.inject(&["-fa@there.example"], &letter("joe@here.example", "to fetch"));
    mail::wait_for(&space::home_of(world.scratch(), "joe").join("Maildir"), 1);
    let joe = world.accounts().named("joe");
    let home = space::home_of(world.scratch(), "joe");
    let line = format!("joe:secret:{}:{}:Joe:{}:/bin/sh\n", joe.uid, joe.gid, home.display());
    fs::write(world.scratch().join("pwfile"), line).expect("a file");
    Some((world, package))
}

/// Whether both the right and a wrong password are answered as they should.
fn fetches(world: &World, variables: &[(&str, &str)], program: &[&str]) {
    let Some(server) = Tcpserver::before(world, variables, program) else { return };
    let refusal = pop3(server.address, "wrong").expect_err("a wrong password");
    assert!(refusal.starts_with("-ERR"), "{refusal}");
    let mut text = String::new();
    // What arrived in this very second is shown from the next one on.
    deadline("the message is shown", || match pop3(server.address, "secret") {
        Ok(shown) => {
            text = shown;
            true
        }
        Err(said) => {
            assert!(said.starts_with("+OK"), "{said}");
            false
        }
    });
    assert!(text.contains("\r\nSubject: to fetch\r\n\r\nHello.\r\n"), "{text}");
}

#[test]
fn cvm_checkpassword_stands_between_qmail_popup_and_qmail_pop3d() {
    let Some((world, cvm)) = with_a_password() else { return };
    let (pwfile, libraries) = (world.scratch().join("pwfile").display().to_string(), cvm.libraries());
    let bin = world.inside().join("bin");
    let paths = [
        bin.join("qmail-popup"),
        "here.example".into(),
        cvm.path("usr/bin/cvm-checkpassword"),
        cvm.path("usr/bin/cvm-pwfile"),
        bin.join("qmail-pop3d"),
        "./Maildir/".into(),
    ]
    .map(|p| p.display().to_string());
    let program: Vec<&str> = paths.iter().map(String::as_str).collect();
    fetches(&world, &[("LD_LIBRARY_PATH", &libraries), ("CVM_PWFILE_PATH", &pwfile)], &program);
}

#[test]
fn pop3front_logs_in_before_qmail_pop3d() {
    let Some((world, cvm)) = with_a_password() else { return };
    let Some(mailfront) = Package::lend("mailfront", &world) else { return };
    let pwfile = world.scratch().join("pwfile").display().to_string();
    let libraries = format!("{}:{}", cvm.libraries(), mailfront.libraries());
    let paths = [
        mailfront.path("usr/sbin/pop3front-auth").display().to_string(),
        cvm.path("usr/bin/cvm-pwfile").display().to_string(),
        "/bin/sh".to_owned(),
        "-c".to_owned(),
        // It tells where home is and does not go there.
        format!("cd $HOME && exec {}/bin/qmail-pop3d ./Maildir/", world.inside().display()),
    ];
    let program: Vec<&str> = paths.iter().map(String::as_str).collect();
    fetches(&world, &[("LD_LIBRARY_PATH", &libraries), ("CVM_PWFILE_PATH", &pwfile)], &program);
}
