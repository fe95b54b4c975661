//! QMQP and QMTP with other people's programs.
//!
//!     qmqp-source ──QMQP──> tcpserver ─> [ qmail-qmqpd ] ─> joe/Maildir
//!     [ qmail-qmqpc ] ──QMQP──> nobody; Postfix's qmqpd ─> its Maildir
//!     [ qmail-qmqpc ] ──QMQP──> tcpserver ─> [ qmail-qmqpd ]
//!     client ──QMTP──> tcpserver ─> [ qmail-qmtpd ] ─> joe/Maildir
//!     [ qmail-qmqpc ], client ──> [ qmail-qmqpd --listen ], [ qmail-qmtpd --listen ]
//!     [ Quail ] ──QMTP──> tcpserver ─> [ qmail-qmtpd of another Quail ] ─> joe/Maildir

use crate::{letter, running};
use quail_tests::peers::postfix::{self, Postfix};
use quail_tests::peers::ucspi::{self, Tcpserver};
use quail_tests::{World, deadline, mail, place, skip};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};

/// One of our servers behind tcpserver.
fn serve(world: &World, name: &str, options: &[&str]) -> Option<Tcpserver> {
    let tcpserver = ucspi::program("tcpserver")?;
    Some(Tcpserver::start(world, &tcpserver, options, &[&world.home().join("bin").join(name)]))
}

/// Runs qmail-qmqpc on a message and an envelope; its exit code.
fn hand_over(world: &World, message: &str, envelope: &[u8]) -> Option<i32> {
    let file = |bytes: &[u8]| -> File {
        let mut file = tempfile_in(world);
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        file
    };
    let mut command = world.program("qmail-qmqpc");
    command.stdin(file(message.as_bytes())).stdout(file(envelope));
    command.status().expect("qmail-qmqpc").code()
}

fn tempfile_in(world: &World) -> File {
    tempfile::tempfile_in(world.scratch()).expect("a file")
}

#[test]
fn postfix_s_qmqp_source_delivers_to_us() {
    let (Some(source), world) = (place::program_of("postfix", "qmqp-source"), running()) else {
        return skip("qmqp-source cannot be had");
    };
    let Some(server) = serve(&world, "qmail-qmqpd", &[]) else { return skip("tcpserver cannot be had") };
    let mut command = Command::new(source);
    command.env("LD_LIBRARY_PATH", quail_tests::peers::libraries_of("postfix")).stdout(Stdio::null());
    command.args(["-m", "20", "-s", "4", "-l", "5000", "-f", "a@there.example", "-t", "joe@here.example"]);
    let status = command.arg(format!("inet:{}", server.address)).status().expect("qmqp-source");
    assert!(status.success());
    let texts = mail::wait_for(&world.home().join("joe/Maildir"), 20);
    assert!(texts.iter().all(|text| text.contains("by here.example with QMQP; ")), "{texts:?}");
    world.wait_empty();
}

#[test]
fn postfix_s_qmqpd_takes_what_qmqpc_hands_over() {
    let root = match Postfix::can_run() {
        Ok(root) => root,
        Err(why) => return skip(why),
    };
    let peer = Postfix::start(&root, &[]);
    let world = running();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let servers = format!("{nobody}\n{}\n", peer.qmqp);
    world.control("qmqpservers", &servers);
    let to = format!("b@{}", postfix::DOMAIN);
    let envelope = format!("Fa@there.example\0T{to}\0\0");
    assert_eq!(hand_over(&world, &letter("by QMQP"), envelope.as_bytes()), Some(0));
    // More than is kept in memory, from a pipe. Postfix adds fields, so the body is looked at.
    let body = format!("\n\n{}", "0123456789abcdef0123456789abcdef0123456789abcdef\n".repeat(40_000));
    let large = format!("Subject: large{body}");
    let mut command = world.program("qmail-qmqpc");
    let mut file = tempfile_in(&world);
    file.write_all(envelope.as_bytes()).unwrap();
    file.rewind().unwrap();
    let mut child = command.stdin(Stdio::piped()).stdout(file).spawn().expect("qmail-qmqpc");
    child.stdin.take().expect("a pipe").write_all(large.as_bytes()).expect("it reads");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    let texts = mail::wait_for(&peer.maildir(), 2);
    assert!(texts.iter().any(|text| text.contains("Subject: by QMQP\n") && text.ends_with("\n\nHello.\n")));
    assert!(texts.iter().any(|text| text.ends_with(&body)), "the large one is whole");
}

#[test]
fn qmqpc_hands_over_to_our_qmqpd_and_asks_the_next_when_the_first_lets_nobody_in() {
    let Some(tcprules) = ucspi::program("tcprules") else { return skip("tcprules cannot be had") };
    let world = running();
    let rules = world.scratch().join("qmqp.cdb");
    ucspi::make_rules(&tcprules, &rules, ":deny\n");
    let path = rules.to_str().expect("a name");
    let (Some(closed), Some(open)) =
        (serve(&world, "qmail-qmqpd", &["-x", path]), serve(&world, "qmail-qmqpd", &[]))
    else {
        return skip("tcpserver cannot be had");
    };
    world.control("qmqpservers", &format!("{}\n{}\n", closed.address, open.address));
    let envelope = b"Fa@there.example\0Tjoe@here.example\0\0";
    assert_eq!(hand_over(&world, &letter("from afar"), envelope), Some(0));
    world.control("qmqpservers", &format!("{}\n", closed.address));
    assert_eq!(hand_over(&world, &letter("from afar"), envelope), Some(74));
    assert_eq!(hand_over(&world, &letter("x"), b"Fa\0Tb\0"), Some(91));
    let texts = mail::wait_for(&world.home().join("joe/Maildir"), 1);
    assert!(texts[0].contains("Subject: from afar\n"), "{texts:?}");
    world.wait_empty();
}

/// Sends bytes and reads until `answers` netstrings have come.
fn talk(address: SocketAddr, packet: &[u8], answers: usize) -> Vec<String> {
    let mut stream = TcpStream::connect(address).expect("a server");
    stream.set_read_timeout(Some(place::PATIENCE)).unwrap();
    stream.write_all(packet).unwrap();
    let (mut heard, mut found) = (Vec::new(), Vec::new());
    while found.len() < answers {
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).expect("an answer");
        assert!(count > 0, "it hung up after {}", heard.escape_ascii());
        heard.extend_from_slice(&buffer[..count]);
        found = heard
            .split(|&byte| byte == b',')
            .map(|part| String::from_utf8_lossy(part).into_owned())
            .collect();
        found.pop();
    }
    found
}

#[test]
fn qmtp_delivers_through_the_service_and_answers_for_each_recipient() {
    let world = running();
    let Some(server) = serve(&world, "qmail-qmtpd", &[]) else { return skip("tcpserver cannot be had") };
    let mut packet = Vec::new();
    for form in ["\nSubject: one\n\nb\n", "\rSubject: two\r\n\r\nb\r\n"] {
        let recipients = "16:joe@here.example,17:b@there.example.x,";
        let parts = [form, "a@there.example", recipients].map(|part| format!("{}:{part},", part.len()));
        packet.extend_from_slice(parts.concat().as_bytes());
    }
    let answers = talk(server.address, &packet, 4 + 2);
    assert!(answers[0].contains(":Kok "), "{answers:?}");
    assert!(answers[1].ends_with("66:Dsorry"), "{answers:?}");
    let texts = mail::wait_for(&world.home().join("joe/Maildir"), 2);
    assert!(texts.iter().all(|text| text.ends_with("\n\nb\n")), "{texts:?}");
    assert!(texts.iter().all(|text| text.contains("by here.example with QMTP; ")), "{texts:?}");
    world.wait_empty();
}

#[test]
fn a_route_leads_to_another_host_by_qmtp() {
    let mut there = World::rootless();
    for name in ["locals", "rcpthosts"] {
        there.control(name, "far.example\n");
    }
    there.start();
    let Some(server) = serve(&there, "qmail-qmtpd", &[]) else { return skip("tcpserver cannot be had") };
    let mut here = World::rootless();
    here.control("qmtproutes", &format!(".example:{}\n", server.address));
    here.control("smtproutes", ":127.0.0.1:9\n");
    here.relay_for_all();
    here.start();
    let large = format!("Subject: large\n\n{}", "0123456789abcdef0123456789abcdef\n".repeat(20_000));
    here.deliver("a@here.example", &["joe@far.example", "x@elsewhere.example"], &letter("by QMTP"));
    here.deliver("a@here.example", &["joe@far.example"], &large);
    let texts = mail::wait_for(&there.home().join("joe/Maildir"), 2);
    assert!(texts.iter().all(|text| text.contains("by here.example with QMTP; ")), "{texts:?}");
    assert!(texts.iter().any(|text| text.contains("Subject: by QMTP\n")), "{texts:?}");
    assert!(texts.iter().any(|text| text.ends_with(&large)), "the large one is whole");
    here.log.wait_count("success: 127.0.0.1_accepted_message./Remote_host_said:_ok_", 2);
    here.log.wait("Remote_host_said:_sorry,_that_domain_isn't_in_my_list_of_allowed_rcpthosts_(#5.7.1)");
    there.wait_empty();
}

/// One of our servers as a listener of its own; it ends with its test.
struct Listener(std::process::Child, SocketAddr);

impl Listener {
    fn start(world: &World, name: &str) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let program = world.home().join("bin").join(name);
        let script = "exec 3<&0 0</dev/null; LISTEN_FDS=1 exec \"$0\" --listen";
        let mut command = world.foreign_program("/bin/sh".as_ref());
        command.args(["-c", script]).arg(program).stdin(std::os::fd::OwnedFd::from(socket));
        Self(command.stderr(Stdio::piped()).spawn().expect("a listener"), address)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn both_servers_listen_by_themselves_and_qmqp_is_for_those_who_may_relay() {
    let world = running();
    let (qmtp, qmqp) = (Listener::start(&world, "qmail-qmtpd"), Listener::start(&world, "qmail-qmqpd"));
    let parts = ["\nSubject: q\n\nb\n", "a@there.example", "16:joe@here.example,8:b@x.test,"];
    let packet = parts.map(|part| format!("{}:{part},", part.len())).concat();
    let answers = talk(qmtp.1, packet.as_bytes(), 3);
    assert!(answers[0].contains(":Kok ") && answers[1].ends_with("66:Dsorry"), "{answers:?}");
    world.control("qmqpservers", &format!("{}\n", qmqp.1));
    let envelope = b"Fa@there.example\0Tjoe@here.example\0\0";
    assert_eq!(hand_over(&world, &letter("closed"), envelope), Some(74));
    world.control("tcprules", "127.:allow,RELAYCLIENT=\"\"\n");
    deadline("the rule is read", || hand_over(&world, &letter("open"), envelope) == Some(0));
    let texts = mail::wait_for(&world.home().join("joe/Maildir"), 2);
    assert!(texts.iter().any(|text| text.contains("by 127.0.0.1 with QMTP; ")), "{texts:?}");
    assert!(texts.iter().any(|text| text.contains("by 127.0.0.1 with QMQP; ")), "{texts:?}");
    world.wait_empty();
}
