//! Runs one session over a stream: reads, writes, the queue door and the clock around [`Session`].

use crate::door::{Connection, Door, HandOff};
use crate::limits::{CROWDED_TIME, DRAIN_BYTES, DRAIN_TIME};
use crate::log;
use crate::places::Service;
use crate::session::{Action, Ending, Session};
use crate::verdict::Verdict;
use contracts::queue_exit::LOCAL_ERROR_TEXT;
use contracts::recipients::Mailbox;
use smtp::command::LINE_MAX_BYTES;
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// What is read at once. Longer than any command line.
const INPUT_BYTES: usize = 16 << 10;
const _: () = assert!(INPUT_BYTES > LINE_MAX_BYTES);

/// What is read at once of a message that comes faster than it is read.
const INPUT_MAX_BYTES: usize = 64 << 10;

/// How a session came to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The client said QUIT.
    Quit,
    /// Anything else.
    Broken,
}

/// Why reading or writing stopped.
enum Stop {
    /// The client is gone.
    Lost,
    /// It took too long.
    TimedOut,
    /// The service is closing down.
    ClosingDown,
}

/// What a session runs on.
struct Driver<'d, S> {
    stream: &'d mut S,
    door: &'d Door,
    over: Option<&'d Connection>,
    service: &'d mut watch::Receiver<Service>,
    /// The session ends by then, whatever it is doing.
    end: Instant,
    /// What is awaited now must be there by then: the whole next command, or more of a message.
    deadline: Instant,
    /// The same, while others wait for a place.
    crowded_deadline: Instant,
    timeout: Duration,
}

/// Runs `session` to its end. When `service` is closing, a session that is not in a transaction ends at once, others
/// when their transaction does; when it is crowded, patience is short.
pub async fn run<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    mut session: Session,
    door: &Door,
    over: Option<&Connection>,
    service: &mut watch::Receiver<Service>,
) -> Outcome {
    let (timeout, limit) = (session.policy().timeout, session.policy().limits.session);
    let started = Instant::now();
    let end = started.checked_add(limit).unwrap_or(started);
    let mut driver =
        Driver { stream, door, over, service, end, deadline: end, crowded_deadline: end, timeout };
    let mut hand_off = None;
    let outcome = driver.run(&mut session, &mut hand_off).await;
    if let Some(hand_off) = hand_off {
        HandOff::abandon(hand_off);
    }
    outcome
}

impl<'d, S: AsyncRead + AsyncWrite + Unpin> Driver<'d, S> {
    async fn run(&mut self, session: &mut Session, hand_off: &mut Option<HandOff<'d>>) -> Outcome {
        let mut input = Input::default();
        self.progressed();
        if self.greet(session, &mut input).await.is_err() {
            return Outcome::Broken;
        }
        self.progressed();
        loop {
            let (used, action) = session.step(input.bytes(), seconds_now());
            input.consume(used);
            if used > 0 {
                self.progressed();
            }
            for note in session.take_notes() {
                self.log(&note);
            }
            let stopped = match action {
                Action::Read => self.exchange(session, &mut input).await,
                Action::OpenDoor => {
                    *hand_off = self.door.open(self.over).await.ok();
                    session.door_opened(hand_off.is_some());
                    Ok(())
                }
                Action::Forward => {
                    if let Some(hand_off) = hand_off {
                        hand_off.write(session.message()).await;
                    }
                    session.forwarded();
                    Ok(())
                }
                Action::Finish => {
                    let sent = self.send(session).await;
                    if sent.is_ok() {
                        let verdict = match hand_off.take() {
                            Some(hand_off) => hand_off.finish(session.message(), session.envelope()).await,
                            None => Verdict::refused(LOCAL_ERROR_TEXT),
                        };
                        session.decided(&verdict, seconds_now());
                    }
                    input.shrink();
                    sent
                }
                Action::Abandon => {
                    if let Some(hand_off) = hand_off.take() {
                        hand_off.abandon();
                    }
                    Ok(())
                }
                Action::Ask => {
                    let mailbox = match &session.policy().clone().checks.mailboxes {
                        Some(mailboxes) => mailboxes.look_for(session.asked()).await,
                        None => Mailbox::Unknown,
                    };
                    session.answered(mailbox);
                    Ok(())
                }
                Action::Pause(time) => {
                    self.pause(time).await;
                    self.send(session).await
                }
                Action::Close(ending) => {
                    let _ = self.send(session).await;
                    if ending == Ending::HungUpInMessage {
                        self.drain().await;
                    }
                    return if ending == Ending::Quit { Outcome::Quit } else { Outcome::Broken };
                }
            };
            if action != Action::Read {
                // The door's time is not the client's.
                self.progressed();
            }
            match stopped {
                Ok(()) => {}
                Err(Stop::Lost) => return Outcome::Broken,
                Err(Stop::TimedOut) => session.timed_out(),
                Err(Stop::ClosingDown) => session.closing_down(),
            }
        }
    }

    /// Lets the client wait for its greeting, and sees whether it does.
    async fn greet(&mut self, session: &mut Session, input: &mut Input) -> Result<(), Stop> {
        let delay = session.greet_delay();
        if delay.is_zero() {
            return Ok(());
        }
        let pause = self.pause_until(delay);
        loop {
            let is_silent = input.bytes().is_empty();
            if *self.service.borrow_and_update() != Service::Open {
                return Ok(());
            }
            tokio::select! {
                biased;
                read = self.stream.read(input.room()), if is_silent => match read {
                    Ok(0) | Err(_) => return Err(Stop::Lost),
                    Ok(n) => {
                        input.filled(n);
                        if session.talked_early() {
                            return Ok(());
                        }
                    }
                },
                () = tokio::time::sleep_until(pause) => return Ok(()),
                Ok(()) = self.service.changed() => {}
            }
        }
    }

    /// Waits, but not while others wait for this place, or for us to leave.
    async fn pause(&mut self, time: Duration) {
        let end = self.pause_until(time);
        while *self.service.borrow_and_update() == Service::Open {
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(end) => return,
                Ok(()) = self.service.changed() => {}
            }
        }
    }

    fn pause_until(&self, time: Duration) -> Instant {
        Instant::now().checked_add(time).unwrap_or(self.end).min(self.end)
    }

    /// Sends what waits, then reads something.
    async fn exchange(&mut self, session: &mut Session, input: &mut Input) -> Result<(), Stop> {
        self.send(session).await?;
        loop {
            let service = *self.service.borrow_and_update();
            if service == Service::Closing && session.is_between_transactions() {
                return Err(Stop::ClosingDown);
            }
            let deadline = if service == Service::Crowded { self.crowded_deadline } else { self.deadline };
            let room = input.room();
            let read = tokio::select! {
                biased;
                read = timeout_at(deadline, self.stream.read(room)) => read,
                Ok(()) = self.service.changed() => continue,
            };
            return match read {
                Ok(Ok(0) | Err(_)) => Err(Stop::Lost),
                Ok(Ok(n)) => {
                    input.filled(n);
                    Ok(())
                }
                Err(_) => Err(Stop::TimedOut),
            };
        }
    }

    /// One write for all replies that wait.
    async fn send(&mut self, session: &mut Session) -> Result<(), Stop> {
        if session.replies().is_empty() {
            return Ok(());
        }
        let write = async {
            self.stream.write_all(session.replies()).await?;
            self.stream.flush().await
        };
        let sent = tokio::time::timeout(self.timeout, write).await;
        session.replies_sent();
        match sent {
            Ok(Ok(())) => Ok(()),
            // A client that does not read gets no further reply either.
            Ok(Err(_)) | Err(_) => Err(Stop::Lost),
        }
    }

    /// Listens to a client that may still be sending, so that our reply arrives before the connection is reset.
    async fn drain(&mut self) {
        let _ = self.stream.shutdown().await;
        let mut buffer = vec![0u8; INPUT_BYTES];
        let mut left = DRAIN_BYTES;
        let swallow = async {
            while let Ok(n @ 1..) = self.stream.read(&mut buffer).await {
                left = left.saturating_sub(n);
                if left == 0 {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(DRAIN_TIME, swallow).await;
    }

    /// Says what happened, and to whom.
    fn log(&self, note: &str) {
        if let Some(over) = self.over {
            log::line(&format!("{} {note}", over.remote.ip().to_canonical()));
        }
    }

    /// Something whole arrived: the client has its full time for the next thing. Bytes of an unfinished command line
    /// do not count, or a client could hold a session with one byte now and then.
    fn progressed(&mut self) {
        let now = Instant::now();
        let after = |time| now.checked_add(time).unwrap_or(self.end).min(self.end);
        self.deadline = after(self.timeout);
        self.crowded_deadline = after(self.timeout.min(CROWDED_TIME));
    }
}

/// Bytes from the client that the session has not used yet.
#[derive(Default)]
struct Input {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// The last read took all the room there was: more would have come.
    was_filled: bool,
}

impl Input {
    fn bytes(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    fn consume(&mut self, used: usize) {
        self.start = self.start.saturating_add(used).min(self.end);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Free space behind the bytes, never empty: what is unused is less than a line.
    fn room(&mut self) -> &mut [u8] {
        if self.buffer.is_empty() {
            self.buffer.resize(INPUT_BYTES, 0);
        }
        if self.was_filled && self.buffer.len() < INPUT_MAX_BYTES {
            self.buffer.resize(self.buffer.len().saturating_mul(2).min(INPUT_MAX_BYTES), 0);
        }
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end.saturating_sub(self.start));
        }
        self.buffer.get_mut(self.end..).unwrap_or_default()
    }

    fn filled(&mut self, bytes: usize) {
        self.end = self.end.saturating_add(bytes).min(self.buffer.len());
        self.was_filled = self.end == self.buffer.len();
    }

    /// A large message has come to its end: gives back the room that it needed.
    fn shrink(&mut self) {
        if self.buffer.len() > INPUT_BYTES && self.end <= INPUT_BYTES {
            self.buffer.truncate(INPUT_BYTES);
            self.buffer.shrink_to_fit();
        }
        self.was_filled = false;
    }
}

/// Seconds since 1970.
fn seconds_now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
