//! Mail without a pause: every message has a number, its recipients follow from the number, and at the end every copy is
//! where it should be, once.
//!
//!     sendmail ─┐                     ┌─> joe, ann
//!     SMTP ─────┴─> [ an installation ]├─> sink: n, and late, who is deferred until the sink relents
//!                                     └─> joe-none, who does not exist: a bounce to joe

use crate::place::deadline;
use crate::world::{Caller, DOMAIN};
use crate::{Client, Sink, mail};
use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// The domain whose mail goes to the sink.
pub const AWAY: &str = "away.example";

/// Who sends.
const SENDER: &str = "joe";

/// Between two messages of one sender: the load is continuous, not heavy.
const PACE: Duration = Duration::from_millis(25);

/// Mail on its way in.
#[derive(Debug)]
pub struct Traffic {
    stop: Arc<AtomicBool>,
    accepted: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<Vec<usize>>>,
}

impl Traffic {
    /// Begins to send: by the installation's sendmail, and by SMTP to that address.
    pub fn start(caller: &Caller, address: SocketAddr, sink: &Sink) -> Self {
        sink.answer("RCPT TO:<late", "451 not yet");
        let (stop, accepted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let begin = |first: usize, send: Box<dyn Fn(usize) -> bool + Send>| {
            let (stop, accepted) = (stop.clone(), accepted.clone());
            std::thread::spawn(move || {
                let mut numbers = Vec::new();
                let mut number = first;
                while !stop.load(Ordering::Relaxed) {
                    // What was not accepted is sent again under its number: it must not arrive by the first attempt.
                    if send(number) {
                        accepted.fetch_add(1, Ordering::Relaxed);
                        numbers.push(number);
                        number += 2;
                    }
                    std::thread::park_timeout(PACE);
                }
                numbers
            })
        };
        let caller = caller.clone();
        let threads = vec![
            begin(1, Box::new(move |number| by_sendmail(&caller, number))),
            begin(2, Box::new(move |number| by_smtp(address, number))),
        ];
        Self { stop, accepted, threads }
    }

    /// How many messages have been accepted.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Waits until that many more have been accepted.
    #[track_caller]
    pub fn wait_more(&self, count: usize) {
        let goal = self.accepted() + count;
        deadline("messages are accepted", || self.accepted() >= goal);
    }

    /// Ends the sending, lets the sink take everything, and gives what must arrive.
    pub fn finish(self, sink: &Sink) -> Expected {
        self.stop.store(true, Ordering::Relaxed);
        let numbers = self.threads.into_iter().flat_map(|t| t.join().expect("a sender"));
        let mut copies = BTreeMap::new();
        for number in numbers {
            for recipient in recipients(number) {
                let place = if recipient.starts_with("joe-none@") { "bounce" } else { place_of(&recipient) };
                *copies.entry((place.to_owned(), number)).or_default() += 1;
            }
        }
        sink.relent();
        Expected(copies)
    }
}

/// How many copies of each message there must be, by place.
#[derive(Debug)]
pub struct Expected(BTreeMap<(String, usize), usize>);

impl Expected {
    /// How many messages and copies there are.
    pub fn size(&self) -> (usize, usize) {
        let mut numbers: Vec<_> = self.0.keys().map(|(_, number)| number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        (numbers.len(), self.0.values().sum())
    }

    /// What is missing, and what is there too often.
    pub fn compare(&self, joe: &Path, ann: &Path, sink: &Sink) -> (Vec<String>, Vec<String>) {
        let mut found: BTreeMap<(String, usize), usize> = BTreeMap::new();
        let mut add = |place: &str, number: usize| *found.entry((place.to_owned(), number)).or_default() += 1;
        for (place, maildir) in [("joe", joe), ("ann", ann)] {
            for text in mail::texts(maildir) {
                let is_bounce = text.starts_with("Return-Path: <>\n");
                add(if is_bounce { "bounce" } else { place }, number_in(&text));
            }
        }
        for message in sink.waiting() {
            for recipient in &message.to {
                add(place_of(recipient), number_in(&String::from_utf8_lossy(&message.body)));
            }
        }
        let (mut missing, mut extra) = (Vec::new(), Vec::new());
        for key in self.0.keys().chain(found.keys()) {
            let (wanted, there) = (self.0.get(key).copied(), found.get(key).copied());
            match (wanted.unwrap_or(0), there.unwrap_or(0)) {
                (wanted, there) if there < wanted => missing.push(format!("{} {}", key.0, key.1)),
                (wanted, there) if there > wanted => extra.push(format!("{} {}", key.0, key.1)),
                _ => {}
            }
        }
        extra.dedup();
        (missing, extra)
    }
}

/// To whom a message goes.
fn recipients(number: usize) -> Vec<String> {
    let mut all = vec![format!("joe@{DOMAIN}")];
    let mut add = |every: usize, recipient: String| {
        if number.is_multiple_of(every) {
            all.push(recipient);
        }
    };
    add(2, format!("ann@{DOMAIN}"));
    add(3, format!("n{number}@{AWAY}"));
    add(5, format!("late{number}@{AWAY}"));
    add(7, format!("joe-none@{DOMAIN}"));
    all
}

/// Where a recipient's copy is found.
fn place_of(recipient: &str) -> &'static str {
    ["joe", "ann", "late"].into_iter().find(|p| recipient.starts_with(p)).unwrap_or("n")
}

fn text(number: usize) -> String {
    format!("From: {SENDER}@{DOMAIN}\nSubject: number {number}.\n\nHello.\n")
}

/// The number in a message, or in the message that a bounce is about.
fn number_in(text: &str) -> usize {
    let rest = text.rsplit("Subject: number ").next().expect("a part");
    rest.split('.').next().and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("no number in {text}"))
}

/// True when it was accepted.
fn by_sendmail(caller: &Caller, number: usize) -> bool {
    let mut command = caller.program("sendmail");
    command.arg(format!("-f{SENDER}@{DOMAIN}")).arg("--").args(recipients(number));
    command.stdin(Stdio::piped()).stderr(Stdio::null());
    // While the programs are being exchanged there may be none.
    let Ok(mut child) = command.spawn() else { return false };
    let wrote = child.stdin.take().expect("a pipe").write_all(text(number).as_bytes());
    child.wait().expect("it ends").success() && wrote.is_ok()
}

/// True when it was accepted.
fn by_smtp(address: SocketAddr, number: usize) -> bool {
    let all = recipients(number);
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    Client::offer(address, &format!("{SENDER}@{DOMAIN}"), &all, &text(number))
        .is_some_and(|r| r.starts_with("250"))
}
