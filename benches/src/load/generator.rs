//! Many SMTP client sessions on one thread, each sending one message after the other.

use super::sender::{Sender, Step};
use super::text::Text;
use crate::moment::Moment;
use anyhow::{Context, Result};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Events taken at once.
const EVENTS: usize = 256;

/// A load that meets more refusals than this stops.
const MAX_REFUSED: usize = 200;

/// Longest silence of all sessions together.
const PATIENCE: Duration = Duration::from_secs(20);

/// What to send, to whom, by how many sessions.
#[derive(Clone, Debug)]
pub struct Load {
    /// The server.
    pub server: SocketAddr,
    /// Sessions at once.
    pub sessions: usize,
    /// Messages a connection; then a new one is made.
    pub per_connection: usize,
    /// The message.
    pub text: Text,
    /// Whom they go to; each message takes the next few, around and around.
    pub recipients: Vec<String>,
    /// How many of them a message has.
    pub per_message: usize,
    /// How many messages.
    pub messages: u64,
    /// The number of the first.
    pub first: u64,
    /// No message is begun later than this after the start.
    pub time: Duration,
}

/// The times of one accepted message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The last byte was handed to the network.
    pub sent: Moment,
    /// The reply was read.
    pub replied: Moment,
    /// For how many recipients.
    pub recipients: usize,
}

/// What came of a load.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// When it began.
    pub start: Moment,
    /// The accepted messages.
    pub accepted: BTreeMap<u64, Stamp>,
    /// How many were refused.
    pub refused: usize,
    /// The words of the last refusal.
    pub words: Option<String>,
}

impl Outcome {
    /// Deliveries that must follow.
    pub fn deliveries(&self) -> usize {
        self.accepted.values().map(|s| s.recipients).sum()
    }
}

/// Runs a load to its end.
pub fn run(load: &Load) -> Result<Outcome> {
    let mut work = Work {
        load,
        end: Moment::default(),
        next: 0,
        epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
        outcome: Outcome::default(),
    };
    let mut sessions: Vec<Option<Session>> = Vec::new();
    for index in 0..load.sessions {
        sessions.push(Some(work.connect(index)?));
    }
    // A short queue of connections that wait to be accepted can hold the first ones up for seconds.
    work.outcome.start = Moment::now();
    work.end = work.outcome.start.after(load.time);
    work.drive(&mut sessions)?;
    Ok(work.outcome)
}

struct Session {
    stream: TcpStream,
    sender: Sender,
    /// Bytes of the head, then of the tail, that are out.
    written: usize,
    /// Messages begun in this connection.
    begun: usize,
    /// A message is complete but for what the network has not taken yet.
    is_sending: bool,
    sent: Moment,
    waits_for_room: bool,
}

struct Work<'a> {
    load: &'a Load,
    end: Moment,
    next: u64,
    epoll: Epoll,
    outcome: Outcome,
}

impl Work<'_> {
    fn connect(&self, index: usize) -> Result<Session> {
        let server = self.load.server;
        let stream = TcpStream::connect(server).with_context(|| format!("cannot connect to {server}"))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        self.epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, u64::try_from(index)?))?;
        Ok(Session {
            stream,
            sender: Sender::new(self.load.text.clone()),
            written: 0,
            begun: 0,
            is_sending: false,
            sent: Moment::default(),
            waits_for_room: false,
        })
    }

    fn drive(&mut self, sessions: &mut [Option<Session>]) -> Result<()> {
        let mut events = [EpollEvent::empty(); EVENTS];
        let mut buffer = vec![0; 64 * 1024];
        let patience = EpollTimeout::try_from(PATIENCE).unwrap_or(EpollTimeout::NONE);
        while sessions.iter().any(Option::is_some) {
            let count = self.epoll.wait(&mut events, patience)?;
            if count == 0 {
                self.outcome.words = Some(format!("no reply for {PATIENCE:?}"));
                return Ok(());
            }
            for event in events.iter().take(count) {
                let index = usize::try_from(event.data())?;
                let Some(slot) = sessions.get_mut(index) else { continue };
                let Some(session) = slot.as_mut() else { continue };
                if self.attend(session, index, &mut buffer) {
                    continue;
                }
                *slot = None;
                if self.has_more() {
                    *slot = Some(self.connect(index)?);
                }
            }
        }
        Ok(())
    }

    fn has_more(&self) -> bool {
        self.next < self.load.messages
            && Moment::now() < self.end
            && self.outcome.refused < MAX_REFUSED.max(self.load.sessions)
    }

    /// Reads and writes what there is; false when the session is over.
    fn attend(&mut self, session: &mut Session, index: usize, buffer: &mut [u8]) -> bool {
        let mut is_open = true;
        match session.stream.read(buffer) {
            Ok(0) => {
                is_open = false;
                if !session.sender.is_over() {
                    self.outcome.refused += 1;
                    self.outcome.words.get_or_insert_with(|| "it has closed the connection".to_owned());
                }
            }
            Ok(count) => {
                let heard = buffer.get(..count).unwrap_or_default();
                for step in session.sender.hear(heard) {
                    is_open &= self.take(session, step);
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => is_open = false,
        }
        is_open && self.write(session, index)
    }

    fn take(&mut self, session: &mut Session, step: Step) -> bool {
        match step {
            Step::None => {}
            Step::Sending => session.is_sending = true,
            Step::Ready => self.next_message(session),
            Step::Accepted(recipients) => {
                let stamp = Stamp { sent: session.sent, replied: Moment::now(), recipients };
                self.outcome.accepted.insert(session.sender.number, stamp);
                self.next_message(session);
            }
            Step::Refused(words) => {
                self.outcome.refused += 1;
                self.outcome.words = Some(words);
            }
            Step::Closed => return false,
        }
        true
    }

    fn next_message(&mut self, session: &mut Session) {
        if session.begun >= self.load.per_connection || !self.has_more() {
            return session.sender.quit();
        }
        session.begun += 1;
        let per_message = self.load.per_message;
        let skip = usize::try_from(self.next).unwrap_or(0).saturating_mul(per_message);
        let all = self.load.recipients.len().max(1);
        let recipients: Vec<String> =
            self.load.recipients.iter().cycle().skip(skip % all).take(per_message).cloned().collect();
        session.sender.start(self.load.first + self.next, &recipients);
        self.next += 1;
    }

    /// Writes until nothing is left or the network is full; false when the connection is broken.
    fn write(&self, session: &mut Session, index: usize) -> bool {
        loop {
            let head = session.sender.head.len();
            let piece = match &session.sender.tail {
                _ if session.written < head => session.sender.head.get(session.written..),
                Some(tail) => tail.get(session.written - head..),
                None => None,
            };
            let piece = piece.unwrap_or_default();
            if piece.is_empty() {
                break;
            }
            match session.stream.write(piece) {
                Ok(count) => session.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return self.wait_for_room(session, index, true);
                }
                Err(_) => return false,
            }
        }
        session.sender.head.clear();
        session.sender.tail = None;
        session.written = 0;
        if std::mem::take(&mut session.is_sending) {
            session.sent = Moment::now();
        }
        self.wait_for_room(session, index, false)
    }

    fn wait_for_room(&self, session: &mut Session, index: usize, wanted: bool) -> bool {
        if session.waits_for_room == wanted {
            return true;
        }
        session.waits_for_room = wanted;
        let flags = if wanted { EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT } else { EpollFlags::EPOLLIN };
        let mut event = EpollEvent::new(flags, u64::try_from(index).unwrap_or(0));
        self.epoll.modify(&session.stream, &mut event).is_ok()
    }
}
