//! A queue of its own, a real qmail-send on it, and scripted peers at the ends of its pipes.
//!
//! ```text
//!   test --todo, trigger--> queue <--> qmail-send --commands--> spawner thread (says what the script says)
//!                                          |  --requests--> clean thread (unlinks)
//!                                          +--log--> lines the test waits for
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, BufReader, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use contracts::clean::{CleanDecoder, CleanReply, CleanRequest};
use contracts::spawn::{Command, CommandDecoder, Form, Report};

/// Far more than anything here takes.
pub const PATIENCE: Duration = Duration::from_secs(20);
pub const SPLIT: u64 = 3;

/// Says what becomes of a delivery: the report's text, letter first. `None`: no report, ever.
pub type Script = fn(&Command) -> Option<&'static [u8]>;

pub struct World {
    pub home: tempfile::TempDir,
    send: Option<Child>,
    lines: Option<Receiver<String>>,
    /// Everything logged since the last start.
    pub log: Vec<String>,
}

impl World {
    pub fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let queue = home.path().join("queue");
        for place in ["mess", "info", "local", "remote"] {
            for hash in 0..SPLIT {
                fs::create_dir_all(queue.join(place).join(hash.to_string())).unwrap();
            }
        }
        for place in ["todo", "intd", "bounce", "pid", "lock"] {
            fs::create_dir(queue.join(place)).unwrap();
        }
        fs::write(queue.join("lock/sendmutex"), b"").unwrap();
        nix::unistd::mkfifo(&queue.join("lock/trigger"), nix::sys::stat::Mode::from_bits_truncate(0o622))
            .unwrap();
        fs::create_dir(home.path().join("control")).unwrap();
        let world = Self { home, send: None, lines: None, log: Vec::new() };
        world.control("me", "mx.example\n");
        world.control("locals", "here.example\n");
        world
    }

    pub fn control(&self, name: &str, content: &str) {
        fs::write(self.home.path().join("control").join(name), content).unwrap();
    }

    pub fn queue(&self) -> PathBuf {
        self.home.path().join("queue")
    }

    /// Puts a message into S4 and says so, as our qmail-queue does.
    pub fn inject(&self, sender: &str, recipients: &[&str]) -> u64 {
        let id = self.put(sender, recipients);
        self.trigger(format!("{id}\0").as_bytes());
        id
    }

    /// Puts a message into S4.
    pub fn put(&self, sender: &str, recipients: &[&str]) -> u64 {
        let new = self.queue().join("pid/new");
        fs::write(&new, b"Received: test\n\nbody\n").unwrap();
        let id = fs::metadata(&new).unwrap().ino();
        fs::rename(&new, self.queue().join(format!("mess/{}/{id}", id % SPLIT))).unwrap();
        let mut envelope = format!("u7\0p8\0F{sender}\0");
        recipients.iter().for_each(|recipient| envelope += &format!("T{recipient}\0"));
        fs::write(self.queue().join("new"), envelope).unwrap();
        fs::rename(self.queue().join("new"), self.queue().join(format!("todo/{id}"))).unwrap();
        id
    }

    pub fn trigger(&self, bytes: &[u8]) {
        let path = self.queue().join("lock/trigger");
        // Without a reader there is nobody to tell.
        let mut options = fs::OpenOptions::new();
        use std::os::unix::fs::OpenOptionsExt;
        options.write(true).custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits());
        if let Ok(mut fifo) = options.open(path) {
            let _ = fifo.write_all(bytes);
        }
    }

    /// Starts qmail-send with a queue program that answers as the script at `qmailqueue` does.
    pub fn start(&mut self, script: Script) {
        self.start_with(script, &[120], &[]);
    }

    pub fn start_with(&mut self, script: Script, greeting: &'static [u8], environment: &[(&str, &str)]) {
        let (log_reader, log_writer) = io::pipe().unwrap();
        let (local_commands, local_reports) = spawner(script, greeting);
        let (remote_commands, remote_reports) = spawner(script, greeting);
        let (requests, replies) = clean(self.queue());
        let mut spawn = os::process::Spawn::new(env!("CARGO_BIN_EXE_qmail-send"));
        spawn.command().env("QUAIL_HOME", self.home.path()).env_remove("QMAILQUEUE");
        spawn.command().envs(environment.iter().copied());
        let child = spawn
            .start(&[
                (log_writer.as_fd(), 0),
                (local_commands.as_fd(), 1),
                (local_reports.as_fd(), 2),
                (remote_commands.as_fd(), 3),
                (remote_reports.as_fd(), 4),
                (requests.as_fd(), 5),
                (replies.as_fd(), 6),
            ])
            .unwrap();
        self.send = Some(child);
        let (to, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(log_reader).lines().map_while(Result::ok) {
                if to.send(line).is_err() {
                    return;
                }
            }
        });
        self.lines = Some(lines);
        self.log.clear();
    }

    /// Waits until `count` lines that begin with `start` have been logged.
    pub fn wait_for(&mut self, start: &str, count: usize) {
        let end = Instant::now() + PATIENCE;
        while self.log.iter().filter(|line| line.starts_with(start)).count() < count {
            match self.lines.as_ref().unwrap().recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => self.log.push(line),
                Err(RecvTimeoutError::Timeout) => panic!("no {start:?} in {:#?}", self.log),
                Err(RecvTimeoutError::Disconnected) => panic!("qmail-send left: {:#?}", self.log),
            }
        }
    }

    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = i32::try_from(self.send.as_ref().unwrap().id()).unwrap();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).unwrap();
    }

    /// TERM, and the rest of the log.
    pub fn stop(&mut self) -> Option<i32> {
        self.signal(nix::sys::signal::Signal::SIGTERM);
        self.end()
    }

    /// Waits for the end, and collects the rest of the log.
    pub fn end(&mut self) -> Option<i32> {
        let lines = self.lines.take().unwrap();
        let end = Instant::now() + PATIENCE;
        loop {
            match lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => self.log.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not stop: {:#?}", self.log),
            }
        }
        self.send.take().unwrap().wait().unwrap().code()
    }

    /// Waits until a file of the queue is gone.
    pub fn wait_until_gone(&self, name: &str) {
        let (path, end) = (self.queue().join(name), Instant::now() + PATIENCE);
        while path.exists() {
            assert!(Instant::now() < end, "{:?}", self.files());
            std::thread::yield_now();
        }
    }

    pub fn kill(&mut self) {
        let mut child = self.send.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Every message file and state file of the queue.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        for place in ["mess", "info", "local", "remote", "todo", "intd", "bounce"] {
            collect(&self.queue(), Path::new(place), &mut files);
        }
        files
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(mut child) = self.send.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn collect(queue: &Path, place: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(queue.join(place)).unwrap() {
        let entry = entry.unwrap();
        let name = place.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            collect(queue, &name, files);
        } else if let Ok(bytes) = fs::read(entry.path()) {
            files.insert(name.to_str().unwrap().to_owned(), bytes);
        }
    }
}

/// A spawner that answers at once.
fn spawner(script: Script, greeting: &'static [u8]) -> (PipeWriter, PipeReader) {
    let (mut commands, to_us) = io::pipe().unwrap();
    let (from_us, mut reports) = io::pipe().unwrap();
    std::thread::spawn(move || {
        if greeting.is_empty() || reports.write_all(greeting).is_err() {
            return;
        }
        let mut decoder = CommandDecoder::default();
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = commands.read(&mut buffer) {
            let mut answers = Vec::new();
            decoder.push(&buffer[..count], |command| {
                let command = command.unwrap();
                if let Some(text) = script(&command) {
                    answers.extend(Report::encode_lettered(Form::Classic, command.slot, text));
                }
            });
            if reports.write_all(&answers).is_err() {
                return;
            }
        }
    });
    (to_us, from_us)
}

/// qmail-clean, as far as it matters here.
fn clean(queue: PathBuf) -> (PipeWriter, PipeReader) {
    let (mut requests, to_us) = io::pipe().unwrap();
    let (from_us, mut replies) = io::pipe().unwrap();
    std::thread::spawn(move || {
        let mut decoder = CleanDecoder::default();
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = requests.read(&mut buffer) {
            let mut answers = Vec::new();
            decoder.push(&buffer[..count], |request| {
                let reply = match request {
                    Ok(CleanRequest::Message(id)) => {
                        let _ = fs::remove_file(queue.join(format!("mess/{}/{id}", id.0 % SPLIT)));
                        CleanReply::Done
                    }
                    Ok(CleanRequest::Envelope(id)) => {
                        let _ = fs::remove_file(queue.join(format!("todo/{id}")));
                        CleanReply::Done
                    }
                    _ => CleanReply::NotUnderstood,
                };
                answers.push(reply as u8);
            });
            if replies.write_all(&answers).is_err() {
                return;
            }
        }
    });
    (to_us, from_us)
}
