//! The door by the service on `run/queue` (contracts::queue_service).

use super::{Accepted, BUFFER_BYTES, Refused};
use contracts::{
    queue_exit::{CRASHED_TEXT, QueueExit},
    queue_service::{Chunk, REPLY_HEAD_BYTES, Reply, chunk_head, decode_chunk_head},
};
use std::{
    fs::File,
    io::{self, Read, Write},
    os::{fd::AsRawFd, unix::net::UnixStream},
    path::Path,
    time::Duration,
};

/// The longest wait for the service to take or to give a byte.
const PATIENCE: Duration = Duration::from_secs(3600);

/// What is kept of a hand-off in case the service has no place for us: more than a socket takes before anybody reads.
/// Where more has been taken, we have a place.
const KEPT_MAX_BYTES: usize = 512 * 1024;

/// A hand-off to the service under way. A small one is a single write.
#[derive(Debug)]
pub(super) struct Service {
    stream: UnixStream,
    /// Chunks, of which the first `sent` bytes are written; the last is open and its head, at `head_at`, not yet filled
    /// in.
    buffer: Vec<u8>,
    sent: usize,
    head_at: usize,
    /// The buffer begins with the beginning.
    is_whole: bool,
    /// The service has said that it has no place.
    is_turned_away: bool,
    /// An answer that came before the end.
    answered: Option<Reply>,
    /// The service takes no more; it may have said why.
    broken: bool,
    /// The caller has given up.
    failed: bool,
}

/// Connects to the service of the installation in `home`.
pub(super) fn connect(home: &Path) -> io::Result<Service> {
    let stream = open(&home.join("run"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut service = Service {
        stream,
        buffer: Vec::with_capacity(4096),
        sent: 0,
        head_at: 0,
        is_whole: true,
        is_turned_away: false,
        answered: None,
        broken: false,
        failed: false,
    };
    service.open_chunk();
    Ok(service)
}

/// A socket's name has a short limit; the way by the directory's descriptor has none.
fn open(run: &Path) -> io::Result<UnixStream> {
    const SOCKET_NAME_MAX_BYTES: usize = 100;
    let socket = run.join("queue");
    if socket.as_os_str().len() <= SOCKET_NAME_MAX_BYTES {
        return UnixStream::connect(socket);
    }
    let directory = File::open(run)?;
    UnixStream::connect(format!("/proc/self/fd/{}/queue", directory.as_raw_fd()))
}

impl Service {
    pub(super) fn put(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(BUFFER_BYTES) {
            if self.buffer.len().saturating_sub(self.sent).saturating_add(piece.len()) > BUFFER_BYTES {
                self.flush();
            }
            self.buffer.extend_from_slice(piece);
        }
    }

    /// Ends the message or the envelope.
    pub(super) fn end_part(&mut self) {
        self.close_chunk();
        self.buffer.extend_from_slice(&chunk_head(0));
        self.open_chunk();
    }

    /// Nothing more is sent, above all not the end that would commit.
    pub(super) fn fail(&mut self) {
        self.failed = true;
    }

    /// True when the service has no place, and [`Service::kept`] is all there was so far.
    pub(super) fn is_turned_away(&self) -> bool {
        self.is_turned_away
    }

    /// The bytes of the message and of the envelope put so far.
    pub(super) fn kept(mut self) -> (Vec<u8>, Vec<u8>) {
        self.close_chunk();
        let (mut parts, mut part) = ([Vec::new(), Vec::new()], 0usize);
        let mut rest = self.buffer.as_slice();
        while let Some((head, after)) = rest.split_first_chunk() {
            let length = match decode_chunk_head(*head) {
                Ok(Chunk::Bytes(length)) => length,
                Ok(Chunk::End) => 0,
                Err(_) => break, // Not among what we have written.
            };
            let (bytes, after) = after.split_at(length.min(after.len()));
            if let Some(part) = parts.get_mut(part) {
                part.extend_from_slice(bytes);
            }
            part = part.saturating_add(usize::from(length == 0));
            rest = after;
        }
        let [message, envelope] = parts;
        (message, envelope)
    }

    /// The answer; or the hand-off back when the service has no place.
    pub(super) fn finish(mut self) -> Result<Result<Accepted, Refused>, Self> {
        if self.failed {
            return Ok(Err(Refused::with(QueueExit::ReadError as u8, b"", 0)));
        }
        self.close_chunk();
        let end = self.buffer.len();
        self.buffer.extend_from_slice(&chunk_head(0));
        self.send();
        let reply = self.reply();
        if self.is_whole && has_no_place(&reply) {
            self.buffer.truncate(end);
            self.head_at = end;
            self.open_chunk();
            return Err(self);
        }
        Ok(self.answer(reply))
    }

    fn answer(&self, reply: io::Result<Reply>) -> Result<Accepted, Refused> {
        match reply {
            Ok(Reply { exit: 0, qp, .. }) if !self.broken => Ok(Accepted { qp }),
            // An answer of success to what was not completely sent is no answer.
            Ok(Reply { exit: 0, .. }) => Err(Refused::because(CRASHED_TEXT, 0)),
            Ok(Reply { exit, text, .. }) => Err(Refused::with(exit, &text, 0)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Err(Refused::with(QueueExit::TimedOut as u8, b"", 0))
            }
            Err(_) => Err(Refused::because(CRASHED_TEXT, 0)),
        }
    }

    fn reply(&mut self) -> io::Result<Reply> {
        if let Some(reply) = self.answered.take() {
            return Ok(reply);
        }
        let mut head = [0; REPLY_HEAD_BYTES];
        self.stream.read_exact(&mut head)?;
        let (exit, qp, length) = Reply::decode_head(head);
        let mut text = vec![0; length];
        self.stream.read_exact(&mut text)?;
        Ok(Reply { exit, qp, text })
    }

    fn open_chunk(&mut self) {
        self.head_at = self.buffer.len();
        self.buffer.extend_from_slice(&chunk_head(0));
    }

    /// Fills the head in; an empty chunk, which would be an end, is taken back.
    fn close_chunk(&mut self) {
        let body = self.head_at.saturating_add(4);
        let length = self.buffer.len().saturating_sub(body);
        if length == 0 {
            self.buffer.truncate(self.head_at);
        } else if let Some(head) = self.buffer.get_mut(self.head_at..body) {
            head.copy_from_slice(&chunk_head(length));
        }
    }

    fn flush(&mut self) {
        self.close_chunk();
        self.send();
        if self.buffer.len() > KEPT_MAX_BYTES && !self.is_turned_away {
            self.is_whole = false;
        }
        if !self.is_whole {
            self.buffer.clear();
            self.sent = 0;
        }
        self.open_chunk();
    }

    fn send(&mut self) {
        if !self.broken && !self.failed {
            self.broken = self.stream.write_all(self.buffer.get(self.sent..).unwrap_or_default()).is_err();
            if self.broken
                && self.is_whole
                && self.buffer.len() <= KEPT_MAX_BYTES.saturating_add(BUFFER_BYTES)
            {
                // There may be an answer; it is read once.
                let reply = self.reply();
                self.is_turned_away = has_no_place(&reply);
                self.answered = reply.ok();
            }
        }
        self.sent = self.buffer.len();
    }
}

fn has_no_place(reply: &io::Result<Reply>) -> bool {
    matches!(reply, Ok(reply) if reply.exit == QueueExit::ServerRefusedForNow as u8)
}
