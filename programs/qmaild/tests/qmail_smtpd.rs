//! The program itself: both forms, its descriptors, signals and exit codes.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // A test may.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, ChildStderr, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_qmail-smtpd");

/// No test waits longer than this for a byte.
const PATIENCE: Duration = Duration::from_secs(20);

/// An installation whose queue program takes everything.
fn home(control: &[(&str, &str)]) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    for directory in ["control", "bin"] {
        fs::create_dir(home.path().join(directory)).unwrap();
    }
    let queue = home.path().join("bin/qmail-queue");
    fs::write(&queue, "#!/bin/sh\ncat >/dev/null\ncat <&1 >/dev/null\n").unwrap();
    fs::set_permissions(&queue, fs::Permissions::from_mode(0o755)).unwrap();
    set(home.path(), "me", "mx.example\n");
    for (name, content) in control {
        set(home.path(), name, content);
    }
    home
}

fn set(home: &Path, name: &str, content: &str) {
    fs::write(home.join("control").join(name), content).unwrap();
}

fn program(home: &Path) -> os::process::Spawn {
    let mut spawn = os::process::Spawn::new(PROGRAM);
    spawn.command().env_clear().env("QUAIL_HOME", home).env("PATH", "/usr/bin:/bin");
    spawn
}

/// A running listener.
struct Listener {
    child: Child,
    log: BufReader<ChildStderr>,
    address: SocketAddr,
}

impl Listener {
    fn start(home: &Path) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut spawn = program(home);
        spawn.command().arg("--listen").env("LISTEN_FDS", "1").stderr(Stdio::piped());
        let mut child = spawn.start(&[(socket.as_fd(), 3)]).unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let mut listener = Self { child, log, address: socket.local_addr().unwrap() };
        listener.wait_for("ready");
        listener
    }

    fn wait_for(&mut self, text: &str) {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            assert_ne!(self.log.read_line(&mut line).unwrap(), 0, "the log ended before {text:?}");
        }
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    fn connect(&self) -> Client {
        Client::new(TcpStream::connect(self.address).unwrap())
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client that reads one line at a time.
struct Client(BufReader<TcpStream>);

impl Client {
    fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn ask(&mut self, command: &str) -> String {
        self.0.get_mut().write_all(format!("{command}\r\n").as_bytes()).unwrap();
        self.hear()
    }
}

#[test]
fn the_listener_serves_and_never_relays_by_omission() {
    let home = home(&[]);
    let listener = Listener::start(home.path());
    let mut client = listener.connect();
    assert_eq!(client.hear(), "220 mx.example ESMTP");
    assert_eq!(client.ask("HELO peer"), "250 mx.example");
    assert_eq!(client.ask("MAIL FROM:<s@x.example>"), "250 ok");
    assert!(client.ask("RCPT TO:<r@other.example>").starts_with("553 "));
    assert_eq!(client.ask("RCPT TO:<r@mx.example>"), "250 ok");
    assert_eq!(client.ask("DATA"), "354 go ahead");
    assert!(client.ask("b\r\n.").starts_with("250 ok "));
    assert_eq!(client.ask("QUIT"), "221 mx.example");
    assert_eq!(client.hear(), "");
}

#[test]
fn hup_reads_the_control_files_again_and_keeps_the_old_ones_if_it_cannot() {
    let home = home(&[]);
    let mut listener = Listener::start(home.path());
    let mut old = listener.connect();
    assert_eq!(old.hear(), "220 mx.example ESMTP");
    set(home.path(), "smtpgreeting", "new.example\n");
    set(home.path(), "relayclients", "127.0.0.0/8\n");
    listener.signal(Signal::SIGHUP);
    listener.wait_for("control files read again");
    let mut new = listener.connect();
    assert_eq!(new.hear(), "220 new.example ESMTP");
    assert_eq!(new.ask("MAIL FROM:<s@x>"), "250 ok");
    assert_eq!(new.ask("RCPT TO:<r@other.example>"), "250 ok");
    assert_eq!(old.ask("HELO peer"), "250 mx.example");
    fs::create_dir(home.path().join("control/badmailfrom")).unwrap();
    listener.signal(Signal::SIGHUP);
    listener.wait_for("control files not read again");
    assert_eq!(listener.connect().hear(), "220 new.example ESMTP");
}

#[test]
fn term_lets_transactions_finish_and_nothing_else_begin() {
    let home = home(&[]);
    let mut listener = Listener::start(home.path());
    let (mut idle, mut busy) = (listener.connect(), listener.connect());
    assert_eq!((idle.hear(), busy.hear()), ("220 mx.example ESMTP".into(), "220 mx.example ESMTP".into()));
    for (command, reply) in
        [("MAIL FROM:<s@x>", "250 ok"), ("RCPT TO:<r@mx.example>", "250 ok"), ("DATA", "354 go ahead")]
    {
        assert_eq!(busy.ask(command), reply);
    }
    listener.signal(Signal::SIGTERM);
    assert_eq!(idle.hear(), "421 service closing down, try again later (#4.3.2)");
    assert!(busy.ask("b\r\n.").starts_with("250 ok "));
    assert_eq!(busy.hear(), "421 service closing down, try again later (#4.3.2)");
    assert!(listener.child.wait().unwrap().success());
}

#[test]
fn sessions_beyond_the_limit_wait_for_room() {
    let home = home(&[("concurrencyincoming", "2\n")]);
    let listener = Listener::start(home.path());
    let (mut first, mut second) = (listener.connect(), listener.connect());
    first.hear();
    second.hear();
    let mut third = listener.connect();
    assert_eq!(first.ask("QUIT"), "221 mx.example");
    assert_eq!(third.hear(), "220 mx.example ESMTP");
}

#[test]
fn a_client_that_does_not_wait_for_the_greeting_is_dropped() {
    let home = home(&[("greetdelay", "240\n"), ("droppregreet", "1\n")]);
    let listener = Listener::start(home.path());
    let mut client = listener.connect();
    assert_eq!(client.ask("HELO peer"), "554 SMTP protocol violation");
    assert_eq!(client.hear(), "");
}

#[test]
fn the_environment_of_a_session_sets_its_greeting_s_delay() {
    let home = home(&[]);
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut spawn = program(home.path());
    spawn.command().env("SMTPD_GREETDELAY", "1").env("DROP_PRE_GREET", "0");
    let start = std::time::Instant::now();
    let mut child = spawn.start(&[(theirs.as_fd(), 0), (theirs.as_fd(), 1)]).unwrap();
    drop(theirs);
    let mut client = BufReader::new(ours);
    client.get_mut().write_all(b"QUIT\r\n").unwrap();
    let mut replies = String::new();
    client.read_to_string(&mut replies).unwrap();
    assert_eq!(replies, "220 mx.example ESMTP\r\n221 mx.example\r\n");
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_line_that_is_no_pattern_is_told_with_its_place() {
    let home = home(&[("badrcptto", "(\nspam\n")]);
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut spawn = program(home.path());
    spawn.command().arg("--listen").env("LISTEN_FDS", "1").stderr(Stdio::piped());
    let mut child = spawn.start(&[(socket.as_fd(), 3)]).unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("qmail-smtpd: warning: control/badrcptto line 1: "), "{line}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_listener_without_sockets_or_without_a_name_does_not_start() {
    let named = home(&[]);
    let mut spawn = program(named.path());
    spawn.command().arg("--listen").stderr(Stdio::piped());
    let ended = spawn.start(&[]).unwrap().wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(111));
    assert!(ended.stderr.starts_with(b"qmail-smtpd: fatal: "));
    fs::remove_file(named.path().join("control/me")).unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut spawn = program(named.path());
    spawn.command().arg("--listen").env("LISTEN_FDS", "1").stderr(Stdio::piped());
    let ended = spawn.start(&[(socket.as_fd(), 3)]).unwrap().wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(111));
}

const SESSION: &str = "HELO peer\r\nMAIL FROM:<s@x>\r\nRCPT TO:<r@y>\r\nDATA\r\nb\r\n.\r\nQUIT\r\n";

/// The replies to [`SESSION`], the time taken out.
fn check(replies: &str) {
    let lines: Vec<&str> = replies.split("\r\n").collect();
    let [greeting, helo, mail, rcpt, data, end, quit, nothing] = lines[..] else {
        panic!("{replies}");
    };
    assert_eq!((greeting, helo, mail), ("220 mx.example ESMTP", "250 mx.example", "250 ok"));
    assert_eq!((rcpt, data, quit, nothing), ("250 ok", "354 go ahead", "221 mx.example", ""));
    assert!(end.starts_with("250 ok "), "{end}");
}

#[test]
fn descriptors_may_be_files() {
    let home = home(&[]);
    let (mut input, mut output) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    input.write_all(SESSION.as_bytes()).unwrap();
    input.rewind().unwrap();
    let mut child = program(home.path()).start(&[(input.as_fd(), 0), (output.as_fd(), 1)]).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut replies = String::new();
    output.rewind().unwrap();
    output.read_to_string(&mut replies).unwrap();
    check(&replies);
}

#[test]
fn descriptors_may_be_pipes() {
    let home = home(&[]);
    let mut spawn = program(home.path());
    spawn.command().stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = spawn.start(&[]).unwrap();
    child.stdin.take().unwrap().write_all(SESSION.as_bytes()).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0));
    check(&String::from_utf8(ended.stdout).unwrap());
}

#[test]
fn a_shared_socket_is_blocking_again_afterwards() {
    let home = home(&[]);
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut child = program(home.path()).start(&[(theirs.as_fd(), 0), (theirs.as_fd(), 1)]).unwrap();
    ours.write_all(b"QUIT\r\n").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(os::stream::is_blocking(&theirs).unwrap());
    drop(theirs);
    let mut replies = String::new();
    ours.read_to_string(&mut replies).unwrap();
    assert_eq!(replies, "220 mx.example ESMTP\r\n221 mx.example\r\n");
}

#[test]
fn a_client_that_vanishes_or_is_not_there_is_exit_1() {
    let home = home(&[]);
    let null = File::open("/dev/null").unwrap();
    let mut child = program(home.path()).start(&[(null.as_fd(), 0)]).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
}
