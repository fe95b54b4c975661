//! A connection to the queue service (`contracts::queue_service`).

use crate::verdict::Verdict;
use contracts::queue_exit::{CRASHED_TEXT, QueueExit};
use contracts::queue_service::{CHUNK_MAX_BYTES, REPLY_HEAD_BYTES, Reply, TEXT_MAX_BYTES, chunk_head};
use std::future::Future;
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::net::UnixStream;

mod stream;

use stream::Stream;

/// How often, and how long apart, a crowded service is tried before `bin/qmail-queue` is run instead.
const CROWDED_TRIES: u32 = 50;
/// See [`CROWDED_TRIES`].
const CROWDED_PAUSE: Duration = Duration::from_millis(20);

/// One connection, which carries one hand-off after the other.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    /// Bytes of the present hand-off have gone out.
    begun: bool,
    failed: bool,
}

impl Connection {
    /// Connects to the service of the installation at `home`.
    pub async fn open(home: &Path) -> io::Result<Self> {
        let path = home.join("run/queue");
        let mut tries = 0u32;
        let stream = loop {
            match UnixStream::connect(&path).await {
                // The service is there, but more clients than its listen queue holds came at once.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && tries < CROWDED_TRIES => {
                    tries = tries.saturating_add(1);
                    tokio::time::sleep(CROWDED_PAUSE).await;
                }
                other => break other?,
            }
        };
        Ok(Self { stream: Stream::new(stream)?, begun: false, failed: false })
    }

    /// False once the service has closed it. An idle service says nothing, so anything else to read is wrong, too.
    ///
    /// What the event loop has not heard of yet goes unseen; [`Connection::finish`] finds that out by itself.
    pub fn is_alive(&self) -> bool {
        self.stream.is_silent()
    }

    /// Sends message bytes.
    pub async fn write(&mut self, bytes: &[u8]) {
        if self.failed {
            return;
        }
        self.begun = true;
        for chunk in bytes.chunks(CHUNK_MAX_BYTES) {
            if self.stream.write(&chunk_head(chunk.len()), chunk).await.is_err() {
                self.failed = true;
                return;
            }
        }
    }

    /// Sends the rest and waits for the verdict. The connection comes back if it can be used again.
    ///
    /// If nothing of this message has gone out yet and the connection turns out to be dead, a fresh one is tried.
    pub async fn finish<F>(
        mut self,
        rest: &[u8],
        envelope: &[u8],
        fresh: impl FnOnce() -> F,
    ) -> (Verdict, Option<Self>)
    where
        F: Future<Output = io::Result<Self>>,
    {
        let mut wire = Vec::with_capacity(rest.len().saturating_add(envelope.len()).saturating_add(16));
        push_chunks(&mut wire, rest);
        wire.extend_from_slice(&chunk_head(0));
        push_chunks(&mut wire, envelope);
        wire.extend_from_slice(&chunk_head(0));
        if !self.failed {
            self.failed = self.stream.write(&wire, &[]).await.is_err();
        }
        if self.failed && !self.begun {
            // Not one whole hand-off can have arrived, since its last bytes were refused.
            match fresh().await {
                Ok(connection) => self = connection,
                Err(_) => return (crashed(), None),
            }
            self.failed = self.stream.write(&wire, &[]).await.is_err();
        }
        if self.failed {
            return (Verdict::from_exit(QueueExit::ReadError as u8, 0, b""), None);
        }
        match self.reply().await {
            Ok(reply) => {
                self.begun = false;
                (Verdict::from_exit(reply.exit, reply.qp, &reply.text), Some(self))
            }
            Err(_) => (crashed(), None),
        }
    }

    /// Reads the whole reply at once where it comes at once: more than the head of one without text is asked for.
    async fn reply(&mut self) -> io::Result<Reply> {
        let mut buffer = [0u8; REPLY_HEAD_BYTES + TEXT_MAX_BYTES];
        let mut have = 0usize;
        loop {
            let room = buffer.get_mut(have..).unwrap_or_default();
            have = match self.stream.read(room).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => have.saturating_add(count),
            };
            let Some((head, rest)) = buffer.get(..have).and_then(<[u8]>::split_first_chunk) else { continue };
            let (exit, qp, length) = Reply::decode_head(*head);
            if length > TEXT_MAX_BYTES || rest.len() > length {
                return Err(io::ErrorKind::InvalidData.into());
            }
            if rest.len() == length {
                return Ok(Reply { exit, qp, text: rest.to_vec() });
            }
        }
    }
}

/// The service went away: what became of the message is not known, so the client tries again.
fn crashed() -> Verdict {
    Verdict::refused(CRASHED_TEXT)
}

fn push_chunks(wire: &mut Vec<u8>, bytes: &[u8]) {
    for chunk in bytes.chunks(CHUNK_MAX_BYTES) {
        wire.extend_from_slice(&chunk_head(chunk.len()));
        wire.extend_from_slice(chunk);
    }
}
