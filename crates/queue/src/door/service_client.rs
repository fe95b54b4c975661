//! The door by the service on `run/queue` (contracts::queue_service).

use super::{Accepted, BUFFER_BYTES, Refused};
use contracts::{
    queue_exit::{CRASHED_TEXT, QueueExit},
    queue_service::{REPLY_HEAD_BYTES, Reply, chunk_head},
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

/// A hand-off to the service under way. A small one is a single write.
#[derive(Debug)]
pub(super) struct Service {
    stream: UnixStream,
    /// Chunks to be written; the last is open and its head, at `head_at`, not yet filled in.
    buffer: Vec<u8>,
    head_at: usize,
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
    let mut service =
        Service { stream, buffer: Vec::with_capacity(4096), head_at: 0, broken: false, failed: false };
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
            if self.buffer.len().saturating_add(piece.len()) > BUFFER_BYTES {
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

    pub(super) fn finish(mut self) -> Result<Accepted, Refused> {
        if self.failed {
            return Err(Refused::with(QueueExit::ReadError as u8, b"", 0));
        }
        self.close_chunk();
        self.buffer.extend_from_slice(&chunk_head(0));
        self.send();
        match self.reply() {
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
        self.open_chunk();
    }

    fn send(&mut self) {
        if !self.broken && !self.failed {
            self.broken = self.stream.write_all(&self.buffer).is_err();
        }
        self.buffer.clear();
    }
}
