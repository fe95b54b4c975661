//! Netstrings from a stream, answers to it. Answers that wait go out before anything is waited for.

use crate::limits::CROWDED_TIME;
use crate::places::Service;
use netstring::{Length, LengthError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// How long a connection may last.
const CONNECTION_TIME: Duration = Duration::from_secs(3600);

/// What is read at once.
const INPUT_BYTES: usize = 64 << 10;

/// Why a conversation is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// The client hung up, or all is said.
    Ended,
    /// That is not the protocol. Answers that wait are not sent, as with the original.
    Broken,
    /// Too long, too much, or something is missing here.
    Trouble,
}

impl Stop {
    /// The exit code of qmail-qmtpd and qmail-qmqpd.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Ended => 0,
            Self::Broken => 100,
            Self::Trouble => 111,
        }
    }
}

/// A client, as a source of netstrings.
#[derive(Debug)]
pub struct Wire<'s, S> {
    stream: &'s mut S,
    service: watch::Receiver<Service>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// What is left of the netstring around those that are read now.
    outer: Option<u64>,
    answers: Vec<u8>,
    /// Nothing is lost if the server goes away now.
    idle: bool,
    deadline: Instant,
    /// How long a client may be silent while others wait for its place.
    crowded_time: Duration,
}

impl<'s, S: AsyncRead + AsyncWrite + Unpin> Wire<'s, S> {
    /// Must be made inside a runtime; the connection's time begins.
    pub fn new(stream: &'s mut S, service: watch::Receiver<Service>) -> Self {
        let now = Instant::now();
        let deadline = now.checked_add(CONNECTION_TIME).unwrap_or(now);
        Self {
            stream,
            service,
            buffer: vec![0; INPUT_BYTES],
            start: 0,
            end: 0,
            outer: None,
            answers: Vec::new(),
            idle: true,
            deadline,
            crowded_time: CROWDED_TIME,
        }
    }

    /// The length of the next netstring.
    pub async fn length(&mut self) -> Result<u64, Stop> {
        let mut length = Length::default();
        loop {
            match length.push(self.byte().await?) {
                Ok(None) => {}
                Ok(Some(value)) if self.outer.is_none_or(|left| value < left) => return Ok(value),
                Ok(Some(_)) | Err(LengthError::Malformed) => return Err(Stop::Broken),
                Err(LengthError::TooLong) => return Err(Stop::Trouble),
            }
        }
    }

    /// The end of a netstring.
    pub async fn comma(&mut self) -> Result<(), Stop> {
        if self.byte().await? == b',' { Ok(()) } else { Err(Stop::Broken) }
    }

    /// One byte.
    pub async fn byte(&mut self) -> Result<u8, Stop> {
        self.some(1).await?.first().copied().ok_or(Stop::Ended)
    }

    /// At least one byte, and at most `most`, which is not 0.
    pub async fn some(&mut self, most: u64) -> Result<&[u8], Stop> {
        let most = self.outer.map_or(most, |left| most.min(left));
        if most == 0 {
            return Err(Stop::Broken);
        }
        if self.start == self.end {
            self.fill().await?;
        }
        let have = self.end.saturating_sub(self.start);
        let count = usize::try_from(most).map_or(have, |most| have.min(most));
        let from = self.start;
        self.start = from.saturating_add(count);
        self.outer = self.outer.map(|left| left.saturating_sub(u64::try_from(count).unwrap_or(u64::MAX)));
        Ok(self.buffer.get(from..self.start).unwrap_or_default())
    }

    /// An address of `length` bytes; `None` if it has a NUL or, with `beside` further bytes, is too long.
    pub async fn address(&mut self, length: u64, beside: usize) -> Result<Option<Vec<u8>>, Stop> {
        let fits = usize::try_from(length)
            .is_ok_and(|length| length.saturating_add(beside) < netstring::ADDRESS_TOO_LONG_BYTES);
        let (mut address, mut left) = (Vec::new(), length);
        while left > 0 {
            let piece = self.some(left).await?;
            left = left.saturating_sub(u64::try_from(piece.len()).unwrap_or(u64::MAX));
            if fits {
                address.extend_from_slice(piece);
            }
        }
        Ok(Some(address).filter(|address| fits && !address.contains(&0)))
    }

    /// What follows is inside a netstring of `length` bytes.
    pub fn enter(&mut self, length: u64) {
        self.outer = Some(length);
    }

    /// True when nothing more is in that netstring.
    pub fn is_used_up(&self) -> bool {
        self.outer == Some(0)
    }

    /// What follows is after it.
    pub fn leave(&mut self) {
        self.outer = None;
    }

    /// Whether nothing is lost if the server goes away now.
    pub fn set_idle(&mut self, idle: bool) {
        self.idle = idle;
    }

    /// Says something, when something is waited for next.
    pub fn answer(&mut self, words: &[u8]) {
        netstring::push(&mut self.answers, words);
    }

    /// Sends the answers that wait.
    pub async fn send(&mut self) -> Result<(), Stop> {
        if self.answers.is_empty() {
            return Ok(());
        }
        let write = async {
            self.stream.write_all(&self.answers).await?;
            self.stream.flush().await
        };
        let sent = timeout_at(self.deadline, write).await;
        self.answers.clear();
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Stop::Ended),
            Err(_) => Err(Stop::Trouble),
        }
    }

    async fn fill(&mut self) -> Result<(), Stop> {
        self.send().await?;
        let now = Instant::now();
        let crowded_deadline = now.checked_add(self.crowded_time).unwrap_or(now).min(self.deadline);
        let read = loop {
            let service = *self.service.borrow_and_update();
            if self.idle && service == Service::Closing {
                return Err(Stop::Ended);
            }
            let deadline = if service == Service::Crowded { crowded_deadline } else { self.deadline };
            tokio::select! {
                biased;
                read = timeout_at(deadline, self.stream.read(&mut self.buffer)) => break read,
                Ok(()) = self.service.changed() => {}
            }
        };
        match read {
            Ok(Ok(0) | Err(_)) => Err(Stop::Ended),
            Ok(Ok(count)) => {
                (self.start, self.end) = (0, count);
                Ok(())
            }
            Err(_) => Err(Stop::Trouble),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_silent_client_goes_soon_where_others_wait_for_its_place() {
        let (_client, mut server) = tokio::io::duplex(64);
        let (places, service) = watch::channel(Service::Open);
        let mut wire = Wire::new(&mut server, service);
        wire.crowded_time = Duration::ZERO;
        let crowd = async { places.send_replace(Service::Crowded) };
        assert_eq!(tokio::join!(wire.length(), crowd), (Err(Stop::Trouble), Service::Open));
        let (mut client, mut server) = tokio::io::duplex(64);
        let mut wire = Wire::new(&mut server, places.subscribe());
        wire.crowded_time = Duration::ZERO;
        client.write_all(b"3:").await.unwrap();
        assert_eq!(wire.length().await, Ok(3));
    }

    #[tokio::test]
    async fn a_netstring_ends_before_the_one_around_it() {
        for (text, heard) in [("7:", Ok(7)), ("8:", Err(Stop::Broken)), ("9:", Err(Stop::Broken))] {
            let (mut client, mut server) = tokio::io::duplex(64);
            let (_places, service) = watch::channel(Service::Open);
            let mut wire = Wire::new(&mut server, service);
            wire.enter(10);
            client.write_all(text.as_bytes()).await.unwrap();
            assert_eq!(wire.length().await, heard, "{text}");
        }
    }
}
