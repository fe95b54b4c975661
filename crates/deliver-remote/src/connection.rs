//! One connection to a server: a [`Session`] with a socket, a clock and a message.
//!
//! Every reply and every write has a deadline, and so has a transaction as a whole (D65): a server that
//! sends a byte an hour keeps nobody waiting.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use smtp::outgoing::Outgoing;
use smtp::reply::ReplyParser;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout, timeout_at};

use crate::message_source::{MessageSource, PIECE_BYTES};
use crate::outcome::{Outcome, Verdict};
use crate::session::{Envelope, Introduction, Session, Step};
use crate::settings::Settings;

/// How long the answer to QUIT is waited for, after the result was reported (D19).
const QUIT_LIMIT: Duration = Duration::from_secs(1);

/// A transaction may take this many reply limits, and the time of its bytes at [`SLOWEST_BYTES_PER_SECOND`].
const REPLIES_PER_TRANSACTION: u32 = 6;

/// A server that reads more slowly than this is given up.
const SLOWEST_BYTES_PER_SECOND: u64 = 128;

/// How long a server that has stopped reading may take to say why.
const LAST_WORDS_LIMIT: Duration = Duration::from_secs(2);

/// Bytes read at a time; replies are short.
const READ_BYTES: usize = 4096;

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unconnected {
    /// Nobody answered in time.
    TimedOut,
    /// Refused, or the host cannot be reached.
    Refused,
    /// Anything else, as that this host has no route to anywhere: it says nothing about the address.
    Failed,
    /// It has failed too often and too lately to be tried.
    Avoided,
    /// It has as many connections as it may have, and none became free in time.
    Crowded,
    /// This host has no descriptor or memory for a socket: another address would fare no better.
    NoResources,
}

impl Unconnected {
    fn of(error: &io::Error) -> Self {
        use nix::errno::Errno::{
            ECONNREFUSED, ECONNRESET, EHOSTDOWN, EHOSTUNREACH, EMFILE, ENFILE, ENOBUFS, ENOMEM,
        };
        match error.raw_os_error().map(nix::errno::Errno::from_raw) {
            Some(EMFILE | ENFILE | ENOBUFS | ENOMEM) => Self::NoResources,
            Some(ECONNREFUSED | ECONNRESET | EHOSTDOWN | EHOSTUNREACH) => Self::Refused,
            _ if error.kind() == io::ErrorKind::TimedOut => Self::TimedOut,
            _ => Self::Failed,
        }
    }
}

/// Connects, from the address that control/outgoingip and control/bindroutes say, and no more.
pub async fn dial(address: SocketAddr, settings: &Settings) -> Result<TcpStream, Unconnected> {
    let source = settings.sources.as_ref().ok().and_then(|sources| sources.towards(address.ip()));
    let connect = async {
        let Some(source) = source else { return TcpStream::connect(address).await };
        let socket = if source.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.bind(SocketAddr::new(source, 0))?;
        socket.connect(address).await
    };
    let stream = match timeout(settings.connect_limit, connect).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(Unconnected::of(&error)),
        Err(_) => return Err(Unconnected::TimedOut),
    };
    // Commands are small and each is waited for.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// An open connection with its session.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    session: Session,
    reply_limit: Duration,
    /// Transactions that ended with a message taken.
    carried: u32,
    /// A reply did not come in time.
    timed_out: bool,
}

impl Connection {
    /// Connects; nothing has been read yet.
    pub async fn open(
        address: SocketAddr,
        introduction: Introduction,
        settings: &Settings,
    ) -> Result<Self, Unconnected> {
        let stream = dial(address, settings).await?;
        let session = Session::new(&settings.helo_host, introduction);
        Ok(Self { stream, session, reply_limit: settings.reply_limit, carried: 0, timed_out: false })
    }

    /// One transaction, after the introduction where that is still to be made.
    pub async fn transact(&mut self, envelope: &Envelope, message: &MessageSource) -> Outcome {
        let bytes = envelope.size_bytes.unwrap_or(0) / SLOWEST_BYTES_PER_SECOND;
        let whole = self
            .reply_limit
            .saturating_mul(REPLIES_PER_TRANSACTION)
            .saturating_add(Duration::from_secs(bytes));
        let end = Instant::now().checked_add(whole);
        let mut begun = false;
        loop {
            match self.session.step() {
                Step::Ready if !begun => {
                    self.session.begin(envelope);
                    begun = true;
                }
                Step::Read => self.exchange(end).await,
                Step::SendBody => self.send_message(message, end).await,
                Step::Ended | Step::Ready => break,
            }
        }
        // Ended gives an outcome by its definition; Ready again without one cannot happen.
        let outcome = self.session.take_outcome().unwrap_or(Outcome {
            recipients: Vec::new(),
            verdict: Verdict::Died { possible_duplicate: false },
            going_away: false,
        });
        if matches!(outcome.verdict, Verdict::Accepted(_)) {
            self.carried = self.carried.saturating_add(1);
        }
        outcome
    }

    /// The server hung up on EHLO; it may like HELO better.
    pub fn was_lost_at_ehlo(&self) -> bool {
        !self.timed_out && self.session.was_lost_at_ehlo()
    }

    /// Messages that this connection has carried.
    pub fn carried(&self) -> u32 {
        self.carried
    }

    /// Another transaction may begin, as far as is known without asking the server: it has said nothing and not
    /// closed the connection meanwhile.
    pub fn is_reusable(&self) -> bool {
        let mut byte = [0; 1];
        let silent = matches!(self.stream.try_read(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        silent && self.session.is_reusable()
    }

    /// Says goodbye, and listens for a moment so that the server need not log a lost connection.
    pub async fn quit(mut self) {
        if !self.session.quit() {
            return;
        }
        let output = self.session.take_output();
        let farewell = async {
            self.stream.write_all(&output).await?;
            let mut bytes = [0; READ_BYTES];
            self.stream.read(&mut bytes).await
        };
        let _ = timeout(QUIT_LIMIT, farewell).await;
    }

    /// Writes what is to be said and reads until at least one whole reply has come, or the time is over.
    async fn exchange(&mut self, end: Option<Instant>) {
        if !self.write_output(end).await {
            return self.session.lose();
        }
        let deadline = earlier(Instant::now().checked_add(self.reply_limit), end);
        let mut bytes = [0; READ_BYTES];
        loop {
            match within(deadline, self.stream.read(&mut bytes)).await {
                Some(Ok(count)) if count > 0 => {
                    self.session.receive(bytes.get(..count).unwrap_or_default());
                    // A reply under way keeps its deadline; the next one gets its own.
                    if !self.session.is_within_reply() {
                        return;
                    }
                }
                ended => {
                    self.timed_out = ended.is_none();
                    return self.session.lose();
                }
            }
        }
    }

    async fn write_output(&mut self, end: Option<Instant>) -> bool {
        let output = self.session.take_output();
        output.is_empty() || self.write(&output, end).await
    }

    /// Progress is what counts: each piece that the kernel takes starts the time anew, up to the end of all.
    async fn write(&mut self, mut bytes: &[u8], end: Option<Instant>) -> bool {
        while !bytes.is_empty() {
            let deadline = earlier(Instant::now().checked_add(self.reply_limit), end);
            match within(deadline, self.stream.write(bytes)).await {
                Some(Ok(count)) if count > 0 => bytes = bytes.get(count..).unwrap_or_default(),
                _ => return false,
            }
        }
        true
    }

    /// The message and its final dot. A short one leaves in one write.
    async fn send_message(&mut self, message: &MessageSource, end: Option<Instant>) {
        let (mut outgoing, mut out) = (Outgoing::new(), Vec::new());
        if let Some(bytes) = message.kept() {
            outgoing.encode(bytes, &mut out);
        } else {
            let (mut piece, mut offset) = (vec![0; PIECE_BYTES], 0u64);
            loop {
                match message.read_at(&mut piece, offset) {
                    Ok(0) => break,
                    Ok(count) => {
                        out.clear();
                        outgoing.encode(piece.get(..count).unwrap_or_default(), &mut out);
                        offset = offset.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
                    }
                    Err(_) => return self.session.abandon_body(),
                }
                if !self.write(&out, end).await {
                    return self.give_up_message().await;
                }
                tokio::task::yield_now().await; // A long message must not keep the others waiting.
            }
            out.clear();
        }
        outgoing.finish(&mut out);
        self.session.body_sent();
        if !self.write(&out, end).await {
            self.session.lose();
        }
    }
}

impl Connection {
    /// The server stopped reading in the middle of a message, perhaps after saying why.
    async fn give_up_message(&mut self) {
        let (mut parser, mut bytes) = (ReplyParser::default(), [0; READ_BYTES]);
        if let Ok(Ok(count)) = timeout(LAST_WORDS_LIMIT, self.stream.read(&mut bytes)).await
            && let Some(reply) = parser.take(&mut bytes.get(..count).unwrap_or_default())
            && reply.code.is_some_and(|code| code >= 400)
        {
            return self.session.refuse_body(reply);
        }
        self.session.lose();
    }
}

async fn within<T>(deadline: Option<Instant>, work: impl Future<Output = T>) -> Option<T> {
    match deadline {
        Some(deadline) => timeout_at(deadline, work).await.ok(),
        None => Some(work.await),
    }
}

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
