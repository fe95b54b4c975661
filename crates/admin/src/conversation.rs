//! The client side of an SMTP session, for the try-out: every line with its time. Not a mail client: it says what it
//! is told and shows what it hears.

use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// A reply that takes longer never comes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Longest line shown and kept.
const LINE_MAX_BYTES: u64 = 2000;

/// Who spoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// This side.
    Client,
    /// The other.
    Server,
}

/// One line of the session.
#[derive(Clone, Debug)]
pub struct Spoken {
    /// Time since the connection was opened.
    pub at: Duration,
    /// By whom.
    pub by: Speaker,
    /// The line, without its end.
    pub line: Vec<u8>,
}

/// A session under way.
#[derive(Debug)]
pub struct Conversation {
    stream: BufReader<TcpStream>,
    start: Instant,
    /// All that was said so far.
    pub said: Vec<Spoken>,
}

impl Conversation {
    /// Connects, and hears the greeting.
    pub fn open(address: SocketAddr) -> Result<Self> {
        let start = Instant::now();
        let stream = TcpStream::connect_timeout(&address, PATIENCE).context("cannot connect")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let mut session = Self { stream: BufReader::new(stream), start, said: Vec::new() };
        session.hear(b'2')?;
        Ok(session)
    }

    /// Says one command and hears its reply, which must begin with the digit `class`.
    pub fn command(&mut self, line: &str, class: u8) -> Result<Vec<u8>> {
        self.note(Speaker::Client, line.as_bytes());
        self.stream.get_mut().write_all(format!("{line}\r\n").as_bytes())?;
        self.hear(class)
    }

    /// Sends a message (lines ended by LF, without dots at their start) and hears what becomes of it.
    pub fn message(&mut self, text: &str) -> Result<Vec<u8>> {
        self.note(Speaker::Client, format!("({} bytes of message)", text.len()).as_bytes());
        self.stream.get_mut().write_all(format!("{}.\r\n", text.replace('\n', "\r\n")).as_bytes())?;
        self.hear(b'2')
    }

    fn note(&mut self, by: Speaker, line: &[u8]) {
        self.said.push(Spoken { at: self.start.elapsed(), by, line: line.to_vec() });
    }

    fn hear(&mut self, class: u8) -> Result<Vec<u8>> {
        loop {
            let mut line = Vec::new();
            (&mut self.stream).take(LINE_MAX_BYTES).read_until(b'\n', &mut line)?;
            while line.last().is_some_and(|b| b"\r\n".contains(b)) {
                line.pop();
            }
            if line.is_empty() {
                bail!("the server closed the connection");
            }
            self.note(Speaker::Server, &line);
            if line.get(3) != Some(&b'-') {
                if line.first() != Some(&class) {
                    bail!("the server said: {}", crate::page::harmless(&line));
                }
                return Ok(line);
            }
        }
    }
}
