//! One warm worker: its process, its socket, what it has been asked.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::Child;
use std::time::{Duration, Instant};

use os::packet;
use os::process::Spawn;

use crate::trade::Reason;

/// How answers find their requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Matching {
    /// Packets both ways begin with the request's number (u32 LE).
    Numbered,
    /// Packets have no numbers; answers come in the order of the requests.
    InOrder,
}

/// What is expected of a worker.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// How answers find their requests.
    pub matching: Matching,
    /// The longest packet either way.
    pub packet_max_bytes: usize,
    /// Within this time it says hello.
    pub hello_limit: Duration,
    /// Within this time it answers a request.
    pub answer_limit: Duration,
    /// After this time without a request its socket is closed.
    pub idle_limit: Duration,
    /// So many workers of one key at most; another one is started when all of them seem to be stuck.
    pub spread: usize,
}

/// A request on its way, or waiting for its answer.
#[derive(Debug)]
pub(crate) struct Request<T> {
    pub number: u32,
    pub ticket: T,
    pub packet: Vec<u8>,
    pub attached: Option<OwnedFd>,
    /// Since when it has been with the worker.
    pub since: Instant,
}

/// What became of a request, or of all of them.
#[derive(Debug)]
pub(crate) enum Heard<T> {
    /// The packet of an answer.
    Answer(T, Vec<u8>),
    /// No answer.
    Lost(T, Reason, Option<OwnedFd>),
}

/// Packets taken from one worker in a turn of the loop: the others want their turn too.
const PACKETS_A_TURN: usize = 32;

/// A lookup in memory takes microseconds, one that waits for a server longer than this.
const STUCK_AFTER: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(crate) struct Worker<K, T> {
    pub id: u64,
    pub key: K,
    pub terms: Terms,
    child: Child,
    socket: OwnedFd,
    has_spoken: bool,
    /// It takes no more requests, and may still answer.
    leaving: bool,
    /// Its socket is closed, or it is not worth listening to: to be buried.
    pub over: bool,
    /// Answers that it has given.
    pub answered: u64,
    started: Instant,
    idle_since: Instant,
    unsent: VecDeque<Request<T>>,
    sent: VecDeque<Request<T>>,
}

impl<K, T> Worker<K, T> {
    pub fn start(id: u64, key: K, spawn: Spawn, terms: Terms, now: Instant) -> io::Result<Self> {
        let (ours, theirs) = packet::packet_pair()?;
        packet::set_nonblocking(&ours, true)?;
        let child = spawn.start(&[(theirs.as_fd(), 0)])?;
        Ok(Self {
            id,
            key,
            terms,
            child,
            socket: ours,
            has_spoken: false,
            leaving: false,
            over: false,
            answered: 0,
            started: now,
            idle_since: now,
            unsent: VecDeque::new(),
            sent: VecDeque::new(),
        })
    }

    pub fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    pub fn takes_requests(&self) -> bool {
        !self.leaving && !self.over
    }

    pub fn load(&self) -> usize {
        self.unsent.len().saturating_add(self.sent.len())
    }

    /// Whether it has been busy with one request for so long that the next should not wait behind it.
    pub fn seems_stuck(&self, now: Instant) -> bool {
        self.sent.front().is_some_and(|oldest| now.saturating_duration_since(oldest.since) > STUCK_AFTER)
    }

    pub fn idle_since(&self) -> Option<Instant> {
        (self.load() == 0).then_some(self.idle_since)
    }

    pub fn wants_to_send(&self) -> bool {
        self.has_spoken && self.takes_requests() && !self.unsent.is_empty()
    }

    pub fn into_child(self) -> Child {
        self.child
    }

    pub fn ask(&mut self, request: Request<T>) {
        self.unsent.push_back(request);
    }

    /// Sends what it will take.
    pub fn send(&mut self, now: Instant, heard: &mut Vec<Heard<T>>) {
        if !self.wants_to_send() {
            return;
        }
        while let Some(mut request) = self.unsent.pop_front() {
            let attached = request.attached.as_ref().map(|fd| fd.as_fd());
            match packet::send(self.socket.as_fd(), &request.packet, attached) {
                Ok(()) => {
                    request.attached = None;
                    request.packet = Vec::new();
                    request.since = now;
                    self.sent.push_back(request);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.unsent.push_front(request);
                    return;
                }
                Err(error) if is_gone(&error) => {
                    self.unsent.push_front(request);
                    self.leaving = true;
                    self.lose_unsent(|| Reason::Left, heard);
                    return;
                }
                Err(_) => heard.push(Heard::Lost(request.ticket, Reason::Unsendable, request.attached)),
            }
        }
    }

    /// Takes what it has to say. `buffer` is longer than any packet of its terms.
    pub fn listen(&mut self, now: Instant, buffer: &mut [u8], heard: &mut Vec<Heard<T>>) {
        for _ in 0..PACKETS_A_TURN {
            if self.over {
                return;
            }
            match packet::receive_bytes(self.socket.as_fd(), buffer) {
                Ok(received) if received.length > 0 && !received.truncated => {
                    let packet = buffer.get(..received.length).unwrap_or_default();
                    self.hear(now, packet, heard);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // End of file, an error, or a packet longer than any of ours.
                Ok(_) | Err(_) => self.dismiss(heard),
            }
        }
    }

    fn hear(&mut self, now: Instant, packet: &[u8], heard: &mut Vec<Heard<T>>) {
        if !self.has_spoken {
            self.has_spoken = packet == contracts::HELLO;
            return if self.has_spoken { self.send(now, heard) } else { self.dismiss(heard) };
        }
        let found = match (self.terms.matching, packet.split_first_chunk::<4>()) {
            _ if packet.len() > self.terms.packet_max_bytes => None,
            (Matching::InOrder, _) => Some(0),
            (Matching::Numbered, None) => None,
            (Matching::Numbered, Some((number, _))) => {
                let number = u32::from_le_bytes(*number);
                self.sent.iter().position(|request| request.number == number)
            }
        };
        match found.and_then(|at| self.sent.remove(at)) {
            Some(request) => {
                self.idle_since = now;
                self.answered = self.answered.saturating_add(1);
                heard.push(Heard::Answer(request.ticket, packet.to_vec()));
            }
            // An answer to a question that nobody asked.
            None => self.dismiss(heard),
        }
    }

    /// Kills it and gives up on everything it was asked.
    pub fn dismiss(&mut self, heard: &mut Vec<Heard<T>>) {
        let _ = self.child.kill();
        self.over = true;
        let has_spoken = self.has_spoken;
        self.lose_unsent(|| if has_spoken { Reason::Left } else { Reason::Silent }, heard);
        let lost = self.sent.drain(..).map(|request| Heard::Lost(request.ticket, Reason::Crashed, None));
        heard.extend(lost);
    }

    fn lose_unsent(&mut self, reason: impl Fn() -> Reason, heard: &mut Vec<Heard<T>>) {
        let lost = self.unsent.drain(..).map(|r| Heard::Lost(r.ticket, reason(), r.attached));
        heard.extend(lost);
    }

    /// When something becomes overdue.
    pub fn deadline(&self) -> Option<Instant> {
        if !self.has_spoken {
            return self.started.checked_add(self.terms.hello_limit);
        }
        match self.sent.front() {
            Some(oldest) => oldest.since.checked_add(self.terms.answer_limit),
            None => self.idle_since().and_then(|since| since.checked_add(self.terms.idle_limit)),
        }
    }

    /// Closes it when idle for too long, kills it when overdue.
    pub fn tick(&mut self, now: Instant, heard: &mut Vec<Heard<T>>) {
        if self.over || self.deadline().is_none_or(|deadline| deadline > now) {
            return;
        }
        if self.has_spoken && self.load() == 0 { self.over = true } else { self.dismiss(heard) }
    }
}

fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionRefused, ConnectionReset, NotConnected};
    matches!(error.kind(), BrokenPipe | ConnectionRefused | ConnectionReset | NotConnected)
}
