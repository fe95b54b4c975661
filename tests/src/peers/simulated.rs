//! A stand-in for the original's qmail-send, for where the original cannot be had: it leaves a queue in every state that
//! the original leaves it in (contract 4.3 and 4.4), because it takes the same steps one at a time, one message after the
//! other, and stops between two of them.
//!
//! Its hands are our qmail-local, qmail-remote and qmail-queue in their classic forms. It knows one local domain and the
//! users of a [`World`](crate::World), and tries a deferred recipient again after two seconds.

use crate::place::deadline;
use crate::world::{Caller, DOMAIN};
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

/// When a deferred recipient is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// Directories under `mess`, `info`, `local` and `remote`.
const SPLIT: u64 = 23;

/// One that is at work.
#[derive(Debug)]
pub struct Simulated {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

impl Simulated {
    /// Starts it on the queue below `home`. It takes the lock that the original takes, so nobody else may be at work.
    pub fn start(home: &Path, caller: Caller) -> Self {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        // Who was killed lets go of the lock a moment after it is gone from the list of processes.
        let mut lock = None;
        deadline("no other qmail-send has the lock", || {
            let file = OpenOptions::new().write(true).open(home.join("queue/lock/sendmutex")).unwrap();
            lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).ok();
            lock.is_some()
        });
        let mut manager =
            Manager { home: home.to_path_buf(), caller, stop: stop.clone(), done: done.clone() };
        let thread = std::thread::spawn(move || {
            while !manager.stops() {
                if !manager.turn() {
                    std::thread::park_timeout(Duration::from_millis(5));
                }
            }
            drop(lock);
        });
        Self { stop, done, thread }
    }

    /// How many recipients it has finished with.
    pub fn done(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }

    /// Stops it in order: a delivery that has begun is finished and marked.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the simulated original");
    }
}

struct Manager {
    home: PathBuf,
    caller: Caller,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
}

/// What became of an attempt.
enum Outcome {
    Success,
    Deferral,
    Failure(String),
}

impl Manager {
    fn stops(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn flat(&self, directory: &str, id: u64) -> PathBuf {
        self.home.join(format!("queue/{directory}/{id}"))
    }

    fn split(&self, directory: &str, id: u64) -> PathBuf {
        self.home.join(format!("queue/{directory}/{}/{id}", id % SPLIT))
    }

    /// One step for one message, if there is one to take: preprocessing comes first.
    fn turn(&mut self) -> bool {
        if let Some(id) = numbers(&self.home.join("queue/todo")).first() {
            self.preprocess(*id);
            return true;
        }
        let messages = (0..SPLIT).flat_map(|n| numbers(&self.home.join(format!("queue/info/{n}"))));
        let mut worked = false;
        for id in messages.collect::<Vec<_>>() {
            if self.stops() {
                break;
            }
            worked |= self.attend(id);
        }
        worked
    }

    /// A file of this content, synced, with its owner.
    fn write(&self, path: &Path, content: &[u8]) {
        let mut file = OpenOptions::new().create_new(true).write(true).open(path).expect("a queue file");
        self.caller.own(path);
        file.write_all(content).and_then(|()| file.sync_all()).expect("room");
    }

    /// From `todo` to `info`, `local` and `remote`.
    fn preprocess(&self, id: u64) {
        let envelope = fs::read(self.flat("todo", id)).expect("an envelope");
        for directory in ["local", "remote", "info"] {
            let _ = fs::remove_file(self.split(directory, id));
        }
        let (mut local, mut remote) = (Vec::new(), Vec::new());
        for record in envelope.split_inclusive(|&b| b == 0) {
            match record.first() {
                Some(b'F') => self.write(&self.split("info", id), record),
                Some(b'T') if record.ends_with(format!("@{DOMAIN}\0").as_bytes()) => local.extend(record),
                Some(b'T') => remote.extend(record),
                _ => {}
            }
        }
        for (directory, records) in [("local", local), ("remote", remote)] {
            if !records.is_empty() {
                self.write(&self.split(directory, id), &records);
            }
        }
        let _ = fs::remove_file(self.flat("intd", id));
        fs::remove_file(self.flat("todo", id)).expect("it was there");
    }

    /// Whatever can be done now for a preprocessed message.
    fn attend(&self, id: u64) -> bool {
        let info = fs::read(self.split("info", id)).expect("a sender");
        let sender = String::from_utf8_lossy(&info[1..info.len() - 1]).into_owned();
        let mut worked = false;
        for channel in ["local", "remote"] {
            worked |= self.pass(id, channel, &sender);
            if self.stops() {
                return worked;
            }
        }
        if ["local", "remote"].iter().any(|channel| self.split(channel, id).exists()) {
            return worked;
        }
        let bounce = self.flat("bounce", id);
        if let Ok(text) = fs::read(&bounce) {
            self.inject_bounce(id, &sender, &text);
            fs::remove_file(bounce).expect("it was there");
        }
        fs::remove_file(self.split("info", id)).expect("it was there");
        let _ = fs::remove_file(self.flat("intd", id));
        fs::remove_file(self.split("mess", id)).expect("it was there");
        true
    }

    /// One attempt at every recipient that is due.
    fn pass(&self, id: u64, channel: &str, sender: &str) -> bool {
        let path = self.split(channel, id);
        let Ok(mut file) = OpenOptions::new().read(true).write(true).open(&path) else { return false };
        if file.metadata().and_then(|m| m.modified()).expect("a time") > SystemTime::now() {
            return false;
        }
        let mut records = Vec::new();
        file.read_to_end(&mut records).expect("recipients");
        let (mut offset, mut waits) = (0u64, false);
        for record in records.split_inclusive(|&b| b == 0) {
            if record[0] == b'T' {
                if self.stops() {
                    return true;
                }
                let recipient = String::from_utf8_lossy(&record[1..record.len() - 1]).into_owned();
                match self.attempt(id, channel, sender, &recipient) {
                    Outcome::Deferral => waits = true,
                    outcome => {
                        if let Outcome::Failure(text) = outcome {
                            self.note_failure(id, &recipient, &text);
                        }
                        file.seek(SeekFrom::Start(offset))
                            .and_then(|_| file.write_all(b"D"))
                            .expect("a mark");
                        self.done.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
            offset += record.len() as u64;
        }
        if waits {
            file.set_modified(SystemTime::now() + RETRY).expect("ours");
        } else {
            fs::remove_file(path).expect("it was there");
        }
        true
    }

    fn note_failure(&self, id: u64, recipient: &str, text: &str) {
        let path = self.flat("bounce", id);
        let mut file = OpenOptions::new().create(true).append(true).open(&path).expect("a bounce file");
        self.caller.own(&path);
        write!(file, "<{recipient}>:\n{}\n\n", text.trim_end()).and_then(|()| file.sync_all()).expect("room");
    }

    fn attempt(&self, id: u64, channel: &str, sender: &str, recipient: &str) -> Outcome {
        let message = File::open(self.split("mess", id)).expect("a message");
        let (local, host) = recipient.rsplit_once('@').expect("an address");
        let mut command = if channel == "local" {
            let (user, dash, ext) = match local.split_once('-') {
                Some((user, ext)) => (user, "-", ext),
                None => (local, "", ""),
            };
            let home = self.home.join(user).display().to_string();
            let mut command = self.caller.program("qmail-local");
            command.args(["--", user, &home, local, dash, ext, host, sender, "./Maildir/"]);
            command
        } else {
            let mut command = self.caller.program("qmail-remote");
            command.args([host, sender, recipient]);
            command
        };
        let output = command.stdin(message).output().expect("one of our programs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        // qmail-remote tells by letters and not by its exit code.
        let letter = if channel == "local" { 0 } else { text.bytes().next().unwrap_or(b's') };
        match (output.status.code(), letter) {
            (Some(0), 0 | b'r') => Outcome::Success,
            (Some(100), _) | (Some(0), b'h') => Outcome::Failure(text.replace(['\0'], " ")),
            _ => Outcome::Deferral,
        }
    }

    fn inject_bounce(&self, id: u64, sender: &str, text: &[u8]) {
        if sender.is_empty() {
            return;
        }
        let (envelope, mut writer) = std::io::pipe().unwrap();
        write!(writer, "F\0T{sender}\0\0").unwrap();
        drop(writer);
        let mut command = self.caller.program("qmail-queue");
        let mut child = command.stdin(Stdio::piped()).stdout(envelope).spawn().expect("qmail-queue");
        let mut message = child.stdin.take().unwrap();
        write!(message, "From: MAILER-DAEMON@{DOMAIN}\nTo: {sender}\nSubject: failure notice\n\n").unwrap();
        message.write_all(text).unwrap();
        let copy = fs::read(self.split("mess", id)).expect("a message");
        message.write_all(b"--- Below this line is a copy of the message.\n\n").unwrap();
        message.write_all(&copy).unwrap();
        drop(message);
        assert!(child.wait().unwrap().success(), "a bounce could not be queued");
    }
}

/// The names in a directory that are numbers.
fn numbers(directory: &Path) -> Vec<u64> {
    let entries = directory.read_dir().into_iter().flatten().filter_map(Result::ok);
    entries.filter_map(|e| e.file_name().to_str()?.parse().ok()).collect()
}
