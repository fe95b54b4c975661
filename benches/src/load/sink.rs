//! An SMTP server that swallows everything and notes when: one thread, as many sessions as come.

use super::arrivals::{Arrival, Arrivals, What};
use super::receiver::Receiver;
use crate::moment::Moment;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::collections::{HashMap, VecDeque};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// Bytes read at once.
const READ: usize = 256 * 1024;

/// The listener's place among the events.
const LISTENER: u64 = 0;

/// Events taken at once.
const EVENTS: usize = 256;

/// How a sink behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Answers at once.
    Prompt,
    /// Answers everything that late.
    Slow(Duration),
    /// Takes connections and never says a word.
    Mute,
}

/// A running sink.
#[derive(Debug)]
pub struct Sink {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it has swallowed.
    pub arrivals: Arrivals,
}

impl Sink {
    /// Starts it on a free port. It ends with the process.
    pub fn start(manner: Manner) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let arrivals = Arrivals::default();
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&listener, EpollEvent::new(EpollFlags::EPOLLIN, LISTENER))?;
        let server = Server {
            manner,
            listener,
            epoll,
            sessions: HashMap::new(),
            last: LISTENER,
            late: VecDeque::new(),
            arrivals: arrivals.clone(),
            buffer: vec![0; READ],
        };
        std::thread::spawn(move || server.serve());
        Ok(Self { address, arrivals })
    }
}

struct Session {
    stream: TcpStream,
    receiver: Receiver,
    out: Vec<u8>,
}

struct Server {
    manner: Manner,
    listener: TcpListener,
    epoll: Epoll,
    sessions: HashMap<u64, Session>,
    last: u64,
    /// Replies that wait for their time, in order of it.
    late: VecDeque<(Moment, u64, Vec<u8>)>,
    arrivals: Arrivals,
    buffer: Vec<u8>,
}

impl Server {
    fn serve(mut self) {
        let mut events = [EpollEvent::empty(); EVENTS];
        loop {
            let timeout = match self.late.front() {
                None => EpollTimeout::NONE,
                Some((at, ..)) => {
                    let left = at.seconds_since(Moment::now());
                    EpollTimeout::try_from(Duration::from_secs_f64(left)).unwrap_or(EpollTimeout::ZERO)
                }
            };
            let count = self.epoll.wait(&mut events, timeout).unwrap_or(0);
            for event in events.iter().take(count) {
                match event.data() {
                    LISTENER => self.welcome(),
                    id => self.attend(id),
                }
            }
            self.send_late();
        }
    }

    fn welcome(&mut self) {
        while let Ok((stream, _)) = self.listener.accept() {
            self.last += 1;
            let id = self.last;
            let _ = stream.set_nodelay(true);
            if stream.set_nonblocking(true).is_err()
                || self.epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, id)).is_err()
            {
                continue;
            }
            self.sessions.insert(id, Session { stream, receiver: Receiver::default(), out: Vec::new() });
            self.reply(id, b"220 sink.example ESMTP\r\n".to_vec());
        }
    }

    fn attend(&mut self, id: u64) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let read = session.stream.read(&mut self.buffer);
        let bytes = match read {
            Ok(count) if count > 0 => self.buffer.get(..count).unwrap_or_default(),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return,
            _ => {
                self.sessions.remove(&id);
                return;
            }
        };
        let (mut replies, mut done) = (Vec::new(), Vec::new());
        session.receiver.hear(bytes, &mut replies, |swallowed| done.push(swallowed));
        if !done.is_empty() {
            let at = Moment::now();
            self.arrivals.note(done.iter().flat_map(|s| {
                let what = What::Number(s.number.unwrap_or(0));
                std::iter::repeat_n(Arrival { what, at }, s.recipients)
            }));
        }
        if !replies.is_empty() {
            self.reply(id, replies);
        }
    }

    fn reply(&mut self, id: u64, text: Vec<u8>) {
        match self.manner {
            Manner::Prompt => self.send(id, &text),
            Manner::Slow(delay) => self.late.push_back((Moment::now().after(delay), id, text)),
            Manner::Mute => {}
        }
    }

    fn send_late(&mut self) {
        let now = Moment::now();
        while self.late.front().is_some_and(|(at, ..)| *at <= now) {
            if let Some((_, id, text)) = self.late.pop_front() {
                self.send(id, &text);
            }
        }
    }

    /// Replies are short: what a socket does not take at once is tried again with the next one.
    fn send(&mut self, id: u64, text: &[u8]) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.out.extend(text);
        let is_broken = match session.stream.write(&session.out) {
            Ok(count) => {
                session.out.drain(..count);
                false
            }
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        };
        if is_broken || (session.receiver.is_over && session.out.is_empty()) {
            self.sessions.remove(&id);
        }
    }
}
