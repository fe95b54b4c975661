//! Whether there is a mailbox by a recipient's name: asked of `qmail-lspawn`, which would deliver to it, on
//! `run/recipients` (`contracts::recipients`).
//!
//! Only a clear no is a reason to refuse. No socket, no answer in time, a recipient that goes to another host: unknown.

use address::route::Routing;
use contracts::Channel;
use contracts::recipients::{ANSWER_BYTES, Mailbox, decode_answer, encode_question};
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::Instant;

/// How long an answer is waited for.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// How long a yes is remembered, and a no: a mailbox that has been made a moment ago should get its mail.
const PRESENT_TIME: Duration = Duration::from_secs(30);
/// See [`PRESENT_TIME`].
const ABSENT_TIME: Duration = Duration::from_secs(5);

/// Answers that are remembered; when there are more, all are forgotten.
const REMEMBERED_MAX: usize = 4096;

/// Idle connections that are kept.
const IDLE_MAX: usize = 8;

/// For which clients mailboxes are asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum When {
    /// For none: recipients that do not exist get a bounce, as with the original.
    #[default]
    Never,
    /// For those that may not relay.
    ForStrangers,
    /// For all.
    Always,
}

/// Where to ask, and what has been answered.
#[derive(Debug)]
pub struct Mailboxes {
    socket: PathBuf,
    routing: Routing,
    idle: Mutex<Vec<UnixStream>>,
    remembered: Mutex<HashMap<Vec<u8>, (Mailbox, Instant)>>,
}

impl Mailboxes {
    /// Those of the installation whose socket this is.
    pub fn new(socket: PathBuf, routing: Routing) -> Self {
        Self { socket, routing, idle: Mutex::default(), remembered: Mutex::default() }
    }

    /// What is known about a recipient, as he is in the envelope.
    pub async fn look_for(&self, recipient: &[u8]) -> Mailbox {
        let (Channel::Local, address) = self.routing.route(recipient) else { return Mailbox::Unknown };
        let now = Instant::now();
        if let Some((mailbox, until)) = lock(&self.remembered).get(&address)
            && *until > now
        {
            return *mailbox;
        }
        let asked = tokio::time::timeout(ANSWER_TIME, self.ask(&address)).await;
        let mailbox = asked.ok().and_then(Result::ok).unwrap_or(Mailbox::Unknown);
        self.remember(address, mailbox, now);
        mailbox
    }

    fn remember(&self, address: Vec<u8>, mailbox: Mailbox, now: Instant) {
        let time = match mailbox {
            Mailbox::Present => PRESENT_TIME,
            Mailbox::Absent => ABSENT_TIME,
            Mailbox::Unknown => return,
        };
        let Some(until) = now.checked_add(time) else { return };
        let mut remembered = lock(&self.remembered);
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        remembered.insert(address, (mailbox, until));
    }

    async fn ask(&self, address: &[u8]) -> io::Result<Mailbox> {
        let kept = lock(&self.idle).pop();
        if let Some(connection) = kept
            && let Ok(mailbox) = self.ask_on(connection, address).await
        {
            return Ok(mailbox);
        }
        // The one that was kept may have been closed since.
        self.ask_on(self.connect()?, address).await
    }

    /// A connection that is given up in the middle is not used again.
    async fn ask_on(&self, mut connection: UnixStream, address: &[u8]) -> io::Result<Mailbox> {
        const NUMBER: u32 = 1;
        let question = encode_question(NUMBER, address);
        if connection.write(&question).await? != question.len() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        let mut answer = [0; ANSWER_BYTES + 1];
        let length = connection.read(&mut answer).await?;
        let answer = decode_answer(answer.get(..length).unwrap_or_default());
        let Some((NUMBER, mailbox)) = answer else { return Err(io::ErrorKind::InvalidData.into()) };
        let mut idle = lock(&self.idle);
        if idle.len() < IDLE_MAX {
            idle.push(connection);
        }
        Ok(mailbox)
    }

    /// A socket of packets is written and read like one of a stream, a packet at a time.
    fn connect(&self) -> io::Result<UnixStream> {
        UnixStream::from_std(os::packet::connect(&self.socket)?.into())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whatever a panic elsewhere left is whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::recipients::{decode_question, encode_answer};
    use std::os::fd::{AsFd, OwnedFd};

    fn mailboxes(directory: &tempfile::TempDir) -> Mailboxes {
        let routing = Routing {
            locals: [&b"here.example"[..]].into_iter().collect(),
            virtual_domains: [&b"virt.example:joe-v"[..]].into_iter().collect(),
            ..Routing::default()
        };
        Mailboxes::new(directory.path().join("recipients"), routing)
    }

    /// Answers `count` questions on each of so many connections, and gives what was asked.
    fn serve(listener: &OwnedFd, connections: usize, count: usize) -> Vec<String> {
        os::packet::set_nonblocking(listener, false).unwrap();
        let mut asked = Vec::new();
        for _ in 0..connections {
            let connection = os::packet::accept(listener.as_fd()).unwrap();
            os::packet::set_nonblocking(&connection, false).unwrap();
            for _ in 0..count {
                let mut buffer = [0; 100];
                let received = os::packet::receive_bytes(connection.as_fd(), &mut buffer).unwrap();
                let (number, address) = decode_question(&buffer[..received.length]).unwrap();
                let mailbox = match address[0] {
                    b'n' => Mailbox::Absent,
                    b'u' => Mailbox::Unknown,
                    _ => Mailbox::Present,
                };
                asked.push(String::from_utf8(address.to_vec()).unwrap());
                let _ = os::packet::send(connection.as_fd(), &encode_answer(number, mailbox), None);
            }
        }
        asked
    }

    #[tokio::test]
    async fn answers_are_remembered_and_connections_kept() {
        let directory = tempfile::tempdir().unwrap();
        let mailboxes = mailboxes(&directory);
        let listener = os::packet::listen(&directory.path().join("recipients"), |_| Ok(())).unwrap();
        let server = std::thread::spawn(move || serve(&listener, 2, 4));
        for _ in 0..2 {
            assert_eq!(mailboxes.look_for(b"joe@Here.example").await, Mailbox::Present);
            assert_eq!(mailboxes.look_for(b"nobody@here.example").await, Mailbox::Absent);
            assert_eq!(mailboxes.look_for(b"unsure@here.example").await, Mailbox::Unknown);
            assert_eq!(mailboxes.look_for(b"far@away.example").await, Mailbox::Unknown);
        }
        // The server has closed the first connection by now, or does so under us.
        for name in ["n1", "n2", "n3"] {
            let address = format!("{name}@here.example");
            assert_eq!(mailboxes.look_for(address.as_bytes()).await, Mailbox::Absent);
        }
        assert_eq!(mailboxes.look_for(b"x@virt.example").await, Mailbox::Present);
        let asked = server.join().unwrap();
        let expected = "joe@Here.example nobody@here.example unsure@here.example unsure@here.example \
                        n1@here.example n2@here.example n3@here.example joe-v-x@virt.example";
        assert_eq!(asked.join(" "), expected);
    }

    #[tokio::test]
    async fn without_anybody_to_ask_nothing_is_known() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(mailboxes(&directory).look_for(b"joe@here.example").await, Mailbox::Unknown);
    }

    #[tokio::test]
    async fn what_strangers_ask_for_fills_no_memory() {
        let directory = tempfile::tempdir().unwrap();
        let mailboxes = mailboxes(&directory);
        for number in 0..REMEMBERED_MAX * 2 + 5 {
            mailboxes.remember(number.to_string().into_bytes(), Mailbox::Absent, Instant::now());
        }
        assert!(lock(&mailboxes.remembered).len() <= REMEMBERED_MAX);
    }
}
