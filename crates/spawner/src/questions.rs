//! Those who ask whether there is a mailbox by a name, on the socket `run/recipients` (`contracts::recipients`).
//!
//! They talk to the Internet, and strangers choose the names. So every number here has a limit, beyond which the answer is
//! "unknown", at once: such a recipient is accepted, as if nobody had asked.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use contracts::recipients::{Mailbox, QUESTION_MAX_BYTES, decode_question, encode_answer};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use os::packet;

/// Connections at a time. The listener keeps a few, a classic qmail-smtpd has one.
pub const CONNECTIONS_MAX: usize = 128;

/// Questions that wait for an answer: a home directory that hangs takes its time.
pub const QUESTIONS_MAX: usize = 64;

/// Workers started for questions alone in [`WINDOW`]; those that are running may always be asked.
pub const STARTS_MAX: u32 = 20;

/// See [`STARTS_MAX`].
const WINDOW: Duration = Duration::from_secs(1);

/// Connections that are heard in one turn, and questions taken from each.
const HEARD_A_TURN: usize = 32;
const QUESTIONS_A_TURN: usize = 8;

/// The listener's name in the set; connections begin with 1.
const LISTENER: u64 = 0;

/// Who waits for an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Asker {
    connection: u64,
    number: u32,
}

/// A question that has come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question {
    /// Where the answer goes.
    pub asker: Asker,
    /// `local@domain`, as qmail-send puts it on the local channel.
    pub address: Vec<u8>,
}

/// The socket, and who is connected to it.
#[derive(Debug)]
pub struct Questions {
    listener: OwnedFd,
    epoll: Epoll,
    connections: BTreeMap<u64, OwnedFd>,
    last_id: u64,
    waiting: usize,
    starts: u32,
    window_began: Instant,
}

impl Questions {
    /// Listens at `path`. `group` may ask, besides the owner; without one nobody else.
    pub fn at(path: &Path, group: Option<u32>) -> io::Result<Self> {
        let listener = packet::listen(path, |path| arrange(path, group))?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&listener, EpollEvent::new(EpollFlags::EPOLLIN, LISTENER))?;
        let window_began = Instant::now();
        Ok(Self {
            listener,
            epoll,
            connections: BTreeMap::new(),
            last_id: LISTENER,
            waiting: 0,
            starts: 0,
            window_began,
        })
    }

    /// What polls readable when somebody has something to ask.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }

    /// The descriptor is ready: questions that are to be answered, each once, by [`Questions::answer`].
    pub(crate) fn hear(&mut self) -> Vec<Question> {
        let mut events = [EpollEvent::empty(); HEARD_A_TURN];
        let count = self.epoll.wait(&mut events, EpollTimeout::ZERO).unwrap_or(0);
        let mut questions = Vec::new();
        for event in events.iter().take(count) {
            match event.data() {
                LISTENER => self.admit(),
                id => self.listen(id, &mut questions),
            }
        }
        questions
    }

    fn admit(&mut self) {
        match packet::accept(self.listener.as_fd()) {
            Ok(connection) if self.connections.len() < CONNECTIONS_MAX => {
                let id = self.last_id.saturating_add(1);
                if self.epoll.add(&connection, EpollEvent::new(EpollFlags::EPOLLIN, id)).is_ok() {
                    self.last_id = id;
                    self.connections.insert(id, connection);
                }
            }
            Ok(_) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            // Descriptors have run out, most likely. The connection would wake us for ever.
            Err(_) => match self.connections.first_key_value().map(|(id, _)| *id) {
                Some(oldest) => self.close(oldest),
                None => drop(self.epoll.delete(&self.listener)),
            },
        }
    }

    fn listen(&mut self, id: u64, questions: &mut Vec<Question>) {
        let mut buffer = [0; QUESTION_MAX_BYTES + 1];
        for _ in 0..QUESTIONS_A_TURN {
            let Some(connection) = self.connections.get(&id) else { return };
            let question = match packet::receive_bytes(connection.as_fd(), &mut buffer) {
                Ok(received) => decode_question(buffer.get(..received.length).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => None,
            };
            // End of file, or nonsense.
            let Some((number, address)) = question else { return self.close(id) };
            let question = Question { asker: Asker { connection: id, number }, address: address.to_vec() };
            if self.waiting < QUESTIONS_MAX {
                self.waiting = self.waiting.saturating_add(1);
                questions.push(question);
            } else {
                self.send(question.asker, Mailbox::Unknown);
            }
        }
    }

    /// Answers a question that [`Questions::hear`] gave.
    pub(crate) fn answer(&mut self, asker: Asker, mailbox: Mailbox) {
        self.waiting = self.waiting.saturating_sub(1);
        self.send(asker, mailbox);
    }

    /// Whoever does not read his answers need not ask.
    fn send(&mut self, asker: Asker, mailbox: Mailbox) {
        let answer = encode_answer(asker.number, mailbox);
        let connection = self.connections.get(&asker.connection);
        if connection.is_some_and(|connection| packet::send(connection.as_fd(), &answer, None).is_err()) {
            self.close(asker.connection);
        }
    }

    fn close(&mut self, id: u64) {
        if let Some(connection) = self.connections.remove(&id) {
            let _ = self.epoll.delete(connection);
        }
    }

    /// Whether one more worker may be started for a question's sake.
    pub(crate) fn may_start(&mut self, now: Instant) -> bool {
        if now.saturating_duration_since(self.window_began) >= WINDOW {
            (self.window_began, self.starts) = (now, 0);
        }
        let may = self.starts < STARTS_MAX;
        self.starts = self.starts.saturating_add(u32::from(may));
        may
    }
}

fn arrange(path: &Path, group: Option<u32>) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::os::unix::fs::chown(path, None, group)?;
    let mode = if group.is_some() { 0o660 } else { 0o600 };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::recipients::{decode_answer, encode_question};

    struct Room {
        directory: tempfile::TempDir,
        questions: Questions,
    }

    fn room() -> Room {
        let directory = tempfile::tempdir().unwrap();
        let questions = Questions::at(&directory.path().join("recipients"), None).unwrap();
        Room { directory, questions }
    }

    impl Room {
        fn connect(&self) -> OwnedFd {
            packet::connect(&self.directory.path().join("recipients")).unwrap()
        }

        fn hear(&mut self, turns: usize) -> Vec<Question> {
            (0..turns).flat_map(|_| self.questions.hear()).collect()
        }
    }

    fn answers(client: &OwnedFd) -> Vec<(u32, Mailbox)> {
        let mut buffer = [0; 64];
        std::iter::from_fn(|| {
            let received = packet::receive_bytes(client.as_fd(), &mut buffer).ok()?;
            decode_answer(&buffer[..received.length])
        })
        .collect()
    }

    #[test]
    fn questions_are_answered_to_who_asked_them() {
        let mut room = room();
        let clients = [room.connect(), room.connect()];
        for (client, address) in clients.iter().zip([&b"a@x"[..], b"b@x"]) {
            packet::send(client.as_fd(), &encode_question(7, address), None).unwrap();
        }
        let questions = room.hear(4);
        assert_eq!(questions.len(), 2);
        for question in questions {
            let mailbox = if question.address == b"a@x" { Mailbox::Present } else { Mailbox::Absent };
            room.questions.answer(question.asker, mailbox);
        }
        assert_eq!(answers(&clients[0]), [(7, Mailbox::Present)]);
        assert_eq!(answers(&clients[1]), [(7, Mailbox::Absent)]);
    }

    #[test]
    fn more_questions_than_anybody_answers_are_unknown_at_once() {
        let mut room = room();
        let clients: Vec<_> = (0..QUESTIONS_MAX / 8 + 1).map(|_| room.connect()).collect();
        for client in &clients {
            for number in 0..8 {
                packet::send(client.as_fd(), &encode_question(number, b"a@x"), None).unwrap();
            }
        }
        let questions = room.hear(clients.len() + 3);
        assert_eq!(questions.len(), QUESTIONS_MAX);
        let unknown: usize = clients.iter().map(|client| answers(client).len()).sum();
        assert_eq!(unknown, 8);
        questions.into_iter().for_each(|q| room.questions.answer(q.asker, Mailbox::Present));
        assert_eq!(room.questions.waiting, 0);
    }

    #[test]
    fn nonsense_ends_its_connection_and_too_many_have_no_place() {
        let mut room = room();
        let bad = room.connect();
        packet::send(bad.as_fd(), b"what", None).unwrap();
        let clients: Vec<_> = (0..CONNECTIONS_MAX - 1).map(|_| room.connect()).collect();
        assert_eq!(room.hear(CONNECTIONS_MAX + 2), []);
        assert_eq!(room.questions.connections.len(), CONNECTIONS_MAX - 1);
        let more = [room.connect(), room.connect()];
        assert_eq!(room.hear(4), []);
        assert_eq!(room.questions.connections.len(), CONNECTIONS_MAX);
        drop((clients, more));
        room.hear(CONNECTIONS_MAX + 2);
        assert_eq!(room.questions.connections.len(), 0);
    }

    #[test]
    fn strangers_start_so_many_workers_a_second() {
        let mut questions = room().questions;
        let now = Instant::now();
        assert_eq!((0..1000).filter(|_| questions.may_start(now)).count(), STARTS_MAX as usize);
        assert!(questions.may_start(now + WINDOW * 2));
    }
}
