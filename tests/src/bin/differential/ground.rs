//! What a journey is walked on: an installation of one side, started, looked into and stopped in the same way as the
//! other's.

use crate::{Notes, shape};
use nix::sys::signal::Signal;
use quail_tests::peers::{original::Original, ucspi::Tcpserver};
use quail_tests::{Sink, World, deadline, mail, space};
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Stdio;

/// The domain that goes to the sink.
pub const AWAY: &str = "away.example";

/// Beginnings of lines that are no part of what is compared: counts of the moment, and what only we say.
const SILENT: [&str; 3] = ["status: ", "quail: ", "qmail-smtpd: "];

/// Without numbers, and the failures in a bounce in an order that does not depend on which came first.
pub fn in_order(text: &str) -> String {
    let text = shape::of(text);
    let Some((head, copy)) = text.split_once("--- Below this line") else { return text };
    let mut parts: Vec<&str> = head.split("\n\n").collect();
    parts.sort_unstable();
    format!("{}\n--- Below this line{copy}", parts.join("\n\n"))
}

/// Whose programs.
#[derive(Clone, Debug)]
pub enum Side {
    /// Those in that directory.
    Original(PathBuf),
    /// Those that were built.
    Ours,
}

impl Side {
    /// For people.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Original(_) => "the original",
            Self::Ours => "ours",
        }
    }
}

/// The ground of one journey.
#[derive(Debug)]
pub struct Ground {
    /// The installation.
    pub world: World,
    /// Where everything for [`AWAY`] goes.
    pub sink: Sink,
    smtp: Option<Tcpserver>,
    running: bool,
}

impl Ground {
    /// A fresh one, not started: joe and ann are there, [`AWAY`] goes to the sink.
    pub fn new(side: Side) -> Self {
        let mut world = World::as_root();
        if let Side::Original(directory) = &side {
            Original::replace_programs(&world, directory);
            world.starter = "qmail-start";
        }
        let sink = Sink::start();
        world.control("smtproutes", &format!("{AWAY}:{}\n", sink.route()));
        // Ours would listen besides tcpserver, and the place where the other side does not look is empty.
        world.control("smtplisten", "\n");
        Self { world, sink, smtp: None, running: false }
    }

    /// Everything at work; SMTP clients may relay.
    pub fn start(&mut self) {
        self.world.start();
        self.running = true;
    }

    /// What empties the queue stopped in order; who fills it stays.
    pub fn stop(&mut self) {
        self.world.stop_supervised();
        self.running = false;
    }

    /// Ends what still runs.
    pub fn finish(mut self) {
        self.smtp = None;
        if self.running {
            self.stop();
        }
    }

    /// Where SMTP is spoken, with relaying allowed.
    pub fn smtp(&mut self) -> SocketAddr {
        if self.smtp.is_none() {
            self.smtp = Some(self.serve("qmaild", &[("RELAYCLIENT", "")], &["qmail-smtpd"]));
        }
        self.smtp.as_ref().expect("just started").address
    }

    /// tcpserver before a program of the installation, as that account; `root` for nobody else.
    pub fn serve(&self, account: &str, variables: &[(&str, &str)], program: &[&str]) -> Tcpserver {
        let bin = self.world.inside().join("bin");
        let first = bin.join(program[0]).display().to_string();
        let program: Vec<&str> =
            std::iter::once(first.as_str()).chain(program[1..].iter().copied()).collect();
        Tcpserver::before_as(&self.world, account, variables, &program).expect("tcpserver was there before")
    }

    /// One message in by SMTP, from ann; gives the last reply.
    pub fn send(&mut self, from: &str, to: &[&str], text: &str) -> String {
        let address = self.smtp();
        quail_tests::Client::deliver(address, from, to, text)
    }

    /// All of joe's or ann's new mail, in the order of its texts, noted.
    pub fn note_mail(&self, notes: &Notes, user: &str, count: usize) {
        let mut texts: Vec<String> =
            mail::wait_for(&self.maildir(user), count).iter().map(|t| in_order(t)).collect();
        texts.sort();
        for text in texts {
            notes.add(&format!("mail of {user}"), &text);
        }
    }

    /// The next message at the sink, with its envelope. Line ends other than CR LF are shown.
    pub fn received(&self) -> String {
        let message = self.sink.receive();
        let body = String::from_utf8_lossy(&message.body).replace("\r\n", "\0").replace('\n', "\\n");
        in_order(&format!("{} to {:?}\n{}", message.from, message.to, body.replace('\0', "\n")))
    }

    /// The next messages at the sink, in the order of their texts.
    pub fn received_many(&self, count: usize) -> String {
        let mut texts: Vec<String> = (0..count).map(|_| self.received()).collect();
        texts.sort();
        texts.join("\n")
    }

    /// The home of a user.
    pub fn home(&self, user: &str) -> PathBuf {
        space::home_of(self.world.scratch(), user)
    }

    /// The Maildir of a user.
    pub fn maildir(&self, user: &str) -> PathBuf {
        self.home(user).join("Maildir")
    }

    /// A file of a user's, with its owner and mode.
    pub fn write(&self, user: &str, name: &str, content: &str, mode: u32) {
        use std::os::unix::fs::{PermissionsExt, chown};
        // The alias account's home is in the tree, which has another path outside of the name space.
        let home = if user == "alias" { self.world.home().join("alias") } else { self.home(user) };
        fs::create_dir_all(&home).unwrap();
        let path = home.join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let account = self.world.accounts().named(user);
        chown(&path, Some(account.uid), Some(account.gid)).unwrap();
    }

    /// `.qmail` files of joe's, by extension.
    pub fn dot_qmail(&self, files: &[(&str, &str)]) {
        for (extension, text) in files {
            self.write("joe", &format!(".qmail-{extension}"), text, 0o600);
        }
    }

    /// What the log says, but for the status lines, in an order that does not depend on who was faster.
    pub fn note_log(&self, notes: &Notes) {
        let lines = self.world.log.lines();
        let lines = lines.iter().map(String::as_str).filter(|l| !SILENT.iter().any(|s| l.starts_with(s)));
        // Numbers of deliveries are given in order of their start.
        let without = |line: &str| {
            let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let number = if line.starts_with("delivery ") {
                Some(1)
            } else {
                line.starts_with("starting ").then_some(2)
            };
            if let Some(word) = number.and_then(|at| words.get_mut(at)) {
                "#:".clone_into(word);
            }
            shape::of(&words.join(" "))
        };
        let mut shapes: Vec<String> = lines.map(without).collect();
        shapes.sort_unstable();
        notes.add("log", &shapes.join("\n"));
    }

    /// What lies in the queue, directories and contents without numbers, as soon as that many recipients are left.
    pub fn note_queue(&self, notes: &Notes, name: &str, left: usize) {
        let queue = self.world.home().join("queue");
        // The log tells of a report when it comes; what it means is written down a moment later.
        deadline(&format!("{left} recipients are left, and nothing in todo"), || {
            let files = self.world.queue_files();
            let count = |file: &String| {
                let is_channel = file.starts_with("local/") || file.starts_with("remote/");
                let records = fs::read(queue.join(file)).unwrap_or_default();
                if is_channel {
                    records.split(|&b| b == 0).filter(|r| r.starts_with(b"T")).count()
                } else {
                    0
                }
            };
            !files.iter().any(|f| f.starts_with("todo/")) && files.iter().map(count).sum::<usize>() == left
        });
        let mut shapes: Vec<String> = Vec::new();
        for file in self.world.queue_files() {
            let directory = file.split('/').next().unwrap_or_default().to_owned();
            let text = fs::read(queue.join(&file)).unwrap_or_default();
            shapes.push(shape::of(&format!("{directory}: {}", text.escape_ascii())));
        }
        shapes.sort();
        notes.add(name, &shapes.join("\n"));
    }

    /// Waits until every message is gone, and the log says so.
    pub fn wait_empty(&self) {
        self.world.wait_empty();
        let log = &self.world.log;
        deadline("the end of every message is logged", || log.count("end msg ") >= log.count("new msg "));
    }

    /// Waits until nothing has been logged for a moment and nothing is being delivered.
    pub fn wait_calm(&self, line: &str, count: usize) {
        deadline("no delivery is under way", || {
            let lines = self.world.log.lines();
            if lines.iter().filter(|l| l.starts_with(line)).count() < count {
                return false;
            }
            let status = lines.iter().rev().find(|l| l.starts_with("status: local "));
            let starts = lines.iter().filter(|l| l.starts_with("starting delivery")).count();
            let ends = lines.iter().filter(|l| l.starts_with("delivery ")).count();
            let count = |start: &str| lines.iter().filter(|l| l.starts_with(start)).count();
            let left = self.world.queue_files().iter().filter(|f| f.starts_with("mess/")).count();
            starts == ends
                && count("new msg ") == count("end msg ") + left
                && status.is_some_and(|s| s.starts_with("status: local 0/") && s.contains(" remote 0/"))
        });
    }

    /// A signal to qmail-send.
    pub fn signal(&self, signal: Signal) {
        self.world.signal(signal);
    }

    /// Runs a program of the installation; notes exit code and both outputs.
    pub fn note_run(
        &self,
        notes: &Notes,
        name: &str,
        program: &[&str],
        variables: &[(&str, &str)],
        input: &str,
    ) {
        let mut command = self.world.program(program[0]);
        command.args(&program[1..]).envs(variables.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("a program");
        // One that refuses its arguments does not read.
        let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
        let output = child.wait_with_output().expect("it ends");
        let (out, error) = (output.stdout.escape_ascii(), output.stderr.escape_ascii());
        notes.add(name, &format!("{:?}\nout: {out}\nerror: {error}", output.status.code()));
    }

    /// Sends these bytes all at once to a server, then nothing more, and notes all it says.
    pub fn note_session(&self, notes: &Notes, name: &str, address: SocketAddr, input: &[u8]) {
        let mut stream = TcpStream::connect(address).expect("a listener");
        stream.set_read_timeout(Some(quail_tests::place::PATIENCE)).unwrap();
        let _ = stream.write_all(input);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut said = Vec::new();
        // A server that ends before it has read everything resets the connection.
        let _ = stream.read_to_end(&mut said);
        notes.add(name, &said.escape_ascii().to_string().replace("\\r\\n", "\n"));
    }
}
