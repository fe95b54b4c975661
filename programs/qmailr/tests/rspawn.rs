//! qmail-rspawn and its warm qmail-remote, from commands on descriptor 0 to a server on loopback.
//!
//! ```text
//! test --commands--> qmail-rspawn --packets--> qmail-remote --worker --SMTP--> server thread
//!      <--reports---
//! ```
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::print_stderr)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};

const RSPAWN: &str = env!("CARGO_BIN_EXE_qmail-rspawn");
const REMOTE: &str = env!("CARGO_BIN_EXE_qmail-remote");

/// All lines that a server has heard, per connection.
type Heard = Arc<Mutex<Vec<Vec<String>>>>;

/// Takes all mail but that for `bad@...`.
fn server() -> (SocketAddr, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let heard = Heard::default();
    let log = Arc::clone(&heard);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let log = Arc::clone(&log);
            std::thread::spawn(move || session(stream, &log));
        }
    });
    (address, heard)
}

fn session(mut stream: TcpStream, log: &Heard) -> Option<()> {
    let number = {
        let mut log = log.lock().unwrap();
        log.push(Vec::new());
        log.len() - 1
    };
    let lines = BufReader::new(stream.try_clone().ok()?).lines();
    stream.write_all(b"220 hi\r\n").ok()?;
    let mut in_data = false;
    for line in lines.map_while(Result::ok) {
        log.lock().unwrap()[number].push(line.clone());
        let answer = match line.split(' ').next().unwrap_or("") {
            "." => "250 taken",
            _ if in_data => continue,
            "EHLO" => "250-me\r\n250 PIPELINING",
            "DATA" => "354 go",
            "RCPT" if line.contains("<bad@") => "550 no",
            _ => "250 ok",
        };
        in_data = answer.starts_with("354");
        stream.write_all(format!("{answer}\r\n").as_bytes()).ok()?;
    }
    Some(())
}

fn home(address: SocketAddr) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    for directory in ["bin", "control", "alias", "queue/mess/1", "queue/info", "queue/lock"] {
        fs::create_dir_all(path(directory)).unwrap();
    }
    fs::copy(REMOTE, path("bin/qmail-remote")).unwrap();
    fs::write(path("control/me"), "me.test\n").unwrap();
    fs::write(path("control/smtproutes"), format!(":{address}\n")).unwrap();
    fs::write(path("queue/lock/tcpto"), [7; 1024]).unwrap();
    for name in ["1/1", "1/24"] {
        fs::write(path("queue/mess").join(name), format!("Subject: {name}\n\nbody\n")).unwrap();
    }
    home
}

struct Spawner {
    child: Child,
    commands: Option<ChildStdin>,
    reports: BufReader<ChildStdout>,
}

impl Spawner {
    fn start(home: &Path) -> Self {
        Self::start_with_log(home, Stdio::inherit())
    }

    fn start_with_log(home: &Path, log: Stdio) -> Self {
        let mut child = Command::new(RSPAWN)
            .env("QUAIL_HOME", home)
            .env_remove("QMAILREMOTE")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let (commands, stdout) = (child.stdin.take(), child.stdout.take().unwrap());
        let mut spawner = Self { child, commands, reports: BufReader::new(stdout) };
        let mut greeting = [0; 1];
        spawner.reports.read_exact(&mut greeting).unwrap();
        assert_eq!(greeting, [120]);
        spawner
    }

    fn command(&mut self, commands: &[(u8, &str, &str, &str)]) {
        let mut bytes = Vec::new();
        for (slot, message, sender, recipient) in commands {
            bytes.push(*slot);
            bytes.extend_from_slice(format!("{message}\0{sender}\0{recipient}\0").as_bytes());
        }
        self.commands.as_mut().unwrap().write_all(&bytes).unwrap();
    }

    /// So many reports, by slot.
    fn reports(&mut self, count: usize) -> Vec<(u8, String)> {
        let mut reports: Vec<_> = (0..count)
            .map(|_| {
                let mut slot = [0; 1];
                self.reports.read_exact(&mut slot).unwrap();
                let mut text = Vec::new();
                self.reports.read_until(0, &mut text).unwrap();
                (slot[0], String::from_utf8(text).unwrap())
            })
            .collect();
        reports.sort();
        reports
    }

    fn finish(mut self) {
        drop(self.commands.take());
        assert!(self.child.wait().unwrap().success());
    }
}

const TAKEN: &str = "K127.0.0.1 accepted message.\nRemote host said: 250 taken\n\0";

#[test]
fn commands_for_one_message_are_one_transaction_and_the_next_message_takes_the_same_connection() {
    let (address, heard) = server();
    let home = home(address);
    let mut spawner = Spawner::start(home.path());
    assert_eq!(fs::read(home.path().join("queue/lock/tcpto")).unwrap(), [0; 1024]);
    spawner.command(&[
        (0, "1/1", "s@x", "a@d.test"),
        (5, "1/1", "s@x", "bad@d.test"),
        (7, "1/1", "s@x", "b@D.test"),
    ]);
    let refused =
        "D127.0.0.1 does not like recipient.\nRemote host said: 550 no\nGiving up on 127.0.0.1.\n\0";
    let want = [(0, TAKEN), (5, refused), (7, TAKEN)].map(|(slot, text)| (slot, text.to_string()));
    assert_eq!(spawner.reports(3), want);
    spawner.command(&[(0, "1/24", "s@x", "c@other.test")]);
    assert_eq!(spawner.reports(1), [(0, TAKEN.to_string())]);
    spawner.finish();
    let heard = heard.lock().unwrap();
    assert_eq!(heard.len(), 1, "{heard:?}");
    let count = |verb: &str| heard[0].iter().filter(|line| line.starts_with(verb)).count();
    assert_eq!((count("EHLO"), count("MAIL"), count("RCPT"), count("DATA")), (1, 2, 4, 2));
}

#[test]
fn a_script_in_the_place_of_qmail_remote_is_run_for_each_delivery() {
    let home = home("127.0.0.1:9".parse().unwrap());
    let program = home.path().join("bin/qmail-remote");
    fs::write(&program, "#!/bin/sh\nread line\nprintf 'r\\000K%s %s %s %s\\n\\000' \"$line\" \"$@\"\n")
        .unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let mut spawner = Spawner::start(home.path());
    spawner.command(&[
        (1, "1/1", "s@x", "a@d.test"),
        (2, "1/1", "s@x", "b@d.test"),
        (3, "1/9", "s@x", "b@d.test"),
    ]);
    let want = [
        (1, "KSubject: 1/1 d.test s@x a@d.test\n\0"),
        (2, "KSubject: 1/1 d.test s@x b@d.test\n\0"),
        (3, "Zqmail-spawn unable to open message. (#4.3.0)\n\0"),
    ];
    assert_eq!(spawner.reports(3), want.map(|(slot, text)| (slot, text.to_string())));
    spawner.finish();
}

#[test]
fn a_program_that_says_something_else_first_is_used_as_the_original() {
    let home = home("127.0.0.1:9".parse().unwrap());
    let program = home.path().join("bin/qmail-remote");
    // Not a script to look at, and no worker of ours: like a binary of the original.
    fs::copy("/bin/echo", &program).unwrap();
    let mut spawner = Spawner::start(home.path());
    spawner.command(&[(1, "1/1", "s@x", "a@d.test")]);
    let reports = spawner.reports(1);
    assert_eq!(reports, [(1, "D\0".to_string())], "its output has no record");
    spawner.finish();
}

#[test]
fn a_wrong_control_file_is_told_in_the_log() {
    let (address, _) = server();
    let home = home(address);
    fs::write(home.path().join("control/timeoutremote"), "soon\n").unwrap();
    let mut spawner = Spawner::start_with_log(home.path(), Stdio::piped());
    let mut log = BufReader::new(spawner.child.stderr.take().unwrap()).lines();
    spawner.command(&[(0, "1/1", "s@x.test", "a@far.test")]);
    assert!(spawner.reports(1)[0].1.starts_with('K'));
    let line = log.next().unwrap().unwrap();
    let want = "qmail-remote: warning: control/timeoutremote line 1: \"soon\" is not a number of seconds";
    assert!(line.starts_with(want), "{line}");
    spawner.finish();
}
