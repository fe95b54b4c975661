//! The loop around a trade: descriptors 0 and 1, workers, children, time.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use contracts::spawn::{Command, CommandDecoder, CommandTooLong, SPAWN_SLOTS, WIDE_SLOTS_MAX};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, getrlimit};

use crate::checks::check;
use crate::desk::Desk;
use crate::questions::{CONNECTIONS_MAX, Questions};
use crate::trade::{Reason, Trade};
use crate::worker::Heard;

/// What a spawner is given at its start.
#[derive(Debug)]
pub struct Setting {
    /// Commands from `qmail-send`.
    pub commands: OwnedFd,
    /// Reports to it.
    pub reports: OwnedFd,
    /// The directory queue/mess.
    pub mess: OwnedFd,
    /// Who owns all messages: qmailq.
    pub queue_owner: u32,
    /// More workers than this are kept only while all of them are busy.
    pub workers_max: usize,
    /// Where others may ask about mailboxes.
    pub questions: Option<Questions>,
}

/// Why the spawner ended.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The kernel will not poll.
    #[error("cannot wait for descriptors")]
    Poll(#[source] io::Error),
}

/// Deferred: whoever wrote such addresses into the queue may have a use for them elsewhere.
const TOO_LONG: &[u8] = b"ZSorry, these addresses are too long. (#4.3.0)\n";

/// Something that polled ready.
enum Ready {
    Commands,
    Reports,
    Workers,
    Child(usize),
    Grave,
    Questions,
}

/// Greets, serves until the commands end and every delivery is over.
pub fn run<T: Trade>(trade: &mut T, setting: Setting) -> Result<(), ServiceError> {
    let mut reports = File::from(setting.reports);
    let mut commands = Some(File::from(setting.commands));
    let mut decoder = CommandDecoder::default();
    let mut desk = Desk::new(setting.workers_max, setting.questions).map_err(ServiceError::Poll)?;
    let mut buffer: Vec<u8> = Vec::new();
    desk.output.push(&[SPAWN_SLOTS]);
    while commands.is_some() || desk.is_busy() || desk.output.is_pending() {
        let ready = wait(trade, &desk, commands.as_ref(), &reports).map_err(ServiceError::Poll)?;
        let now = Instant::now();
        if buffer.len() < desk.pool.buffer_bytes() {
            buffer.resize(desk.pool.buffer_bytes(), 0);
        }
        for ready in ready {
            match ready {
                Ready::Reports => desk.output.write_to(&mut reports),
                Ready::Workers => desk.pool.ready(now, &mut buffer).map_err(ServiceError::Poll)?,
                Ready::Child(at) => {
                    if let Some(child) = desk.children.get_mut(at) {
                        child.ready();
                    }
                }
                Ready::Grave => {}
                Ready::Questions => {
                    let asked = desk.questions.as_mut().map(Questions::hear).unwrap_or_default();
                    asked.into_iter().for_each(|question| trade.asked(&mut desk, question));
                }
                Ready::Commands => {
                    let mess = setting.mess.as_fd();
                    let arrived = read_commands(&mut commands, &mut decoder);
                    if let [Ok(only)] = arrived.as_slice()
                        && only.is_wide_request()
                        && desk.widen(wide_slots(setting.workers_max))
                    {
                        decoder.widen();
                        continue;
                    }
                    accept_all(trade, &mut desk, arrived, mess, setting.queue_owner);
                }
            }
        }
        desk.pool.tick(now);
        end_children(trade, &mut desk);
        trade.tick(&mut desk, now);
        tell_news(trade, &mut desk);
    }
    Ok(())
}

/// As many as there are descriptors for: a message and perhaps a child each, and the workers.
fn wide_slots(workers_max: usize) -> u16 {
    let files = getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft);
    let others = workers_max.saturating_add(CONNECTIONS_MAX) as u64;
    let spare = files.saturating_sub(others) / 3;
    u16::try_from(spare).unwrap_or(u16::MAX).clamp(SPAWN_SLOTS.into(), WIDE_SLOTS_MAX)
}

fn wait<T: Trade>(
    trade: &T,
    desk: &Desk<T>,
    commands: Option<&File>,
    reports: &File,
) -> io::Result<Vec<Ready>> {
    let mut what = Vec::new();
    let mut fds: Vec<PollFd<'_>> = Vec::new();
    let mut add = |ready: Ready, fd, flags| {
        what.push(ready);
        fds.push(PollFd::new(fd, flags));
    };
    if let Some(commands) = commands.filter(|_| !desk.output.is_full()) {
        add(Ready::Commands, commands.as_fd(), PollFlags::POLLIN);
    }
    if desk.output.is_pending() {
        add(Ready::Reports, reports.as_fd(), PollFlags::POLLOUT);
    }
    add(Ready::Workers, desk.pool.descriptor(), PollFlags::POLLIN);
    if let Some(questions) = &desk.questions {
        add(Ready::Questions, questions.descriptor(), PollFlags::POLLIN);
    }
    desk.pool.ends().for_each(|end| add(Ready::Grave, end, PollFlags::POLLIN));
    for (at, child) in desk.children.iter().enumerate() {
        add(Ready::Child(at), child.descriptor(), PollFlags::POLLIN);
    }
    let deadline = [desk.pool.deadline(), trade.deadline()].into_iter().flatten().min();
    match poll(&mut fds, until(deadline)) {
        Ok(_) | Err(nix::Error::EINTR) => {}
        Err(error) => return Err(error.into()),
    }
    let is_ready: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(true)).collect();
    Ok(what.into_iter().zip(is_ready).filter_map(|(what, ready)| ready.then_some(what)).collect())
}

/// Rounded up, so that the loop does not spin in the last millisecond.
fn until(deadline: Option<Instant>) -> PollTimeout {
    let Some(deadline) = deadline else { return PollTimeout::NONE };
    let left = deadline.saturating_duration_since(Instant::now());
    let left = left.saturating_add(Duration::from_micros(999));
    PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
}

/// The commands that have arrived.
fn read_commands(
    commands: &mut Option<File>,
    decoder: &mut CommandDecoder,
) -> Vec<Result<Command, CommandTooLong>> {
    let mut arrived = Vec::new();
    let mut piece = [0; 16 * 1024];
    let Some(file) = commands else { return arrived };
    match file.read(&mut piece) {
        Ok(0) => *commands = None,
        Ok(count) => {
            let bytes = piece.get(..count).unwrap_or_default();
            decoder.push(bytes, |command| arrived.push(command));
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {}
        Err(_) => *commands = None,
    }
    arrived
}

fn accept_all<T: Trade>(
    trade: &mut T,
    desk: &mut Desk<T>,
    arrived: Vec<Result<Command, CommandTooLong>>,
    mess: BorrowedFd<'_>,
    queue_owner: u32,
) {
    for command in arrived {
        let command = match command {
            Ok(command) => command,
            Err(CommandTooLong { slot }) => {
                desk.refuse(slot, TOO_LONG);
                continue;
            }
        };
        let slot = command.slot;
        match check(command, desk.is_in_use(slot), mess, queue_owner) {
            Ok(job) => {
                desk.take(slot);
                trade.accept(desk, job);
            }
            Err(refusal) => desk.refuse(slot, refusal),
        }
    }
    trade.settle(desk);
}

fn end_children<T: Trade>(trade: &mut T, desk: &mut Desk<T>) {
    let ended: Vec<_> = desk.children.extract_if(.., |child| child.is_over()).collect();
    for (ticket, ending) in ended.into_iter().filter_map(|child| child.into_ending()) {
        trade.ended(desk, ticket, ending);
    }
}

/// Hands on what the workers said. What a trade does about it may be news again, so this goes on until there is
/// nothing new; a trade that tries again does so a bounded number of times.
fn tell_news<T: Trade>(trade: &mut T, desk: &mut Desk<T>) {
    loop {
        let news = desk.pool.news();
        if news.is_empty() {
            return;
        }
        for one in news {
            match one.heard {
                Heard::Answer(ticket, body) => {
                    if let Err(ticket) = trade.answer(desk, &one.key, ticket, &body) {
                        trade.lost(desk, &one.key, ticket, Reason::Crashed, None);
                        one.worker.into_iter().for_each(|id| desk.pool.dismiss(id));
                    }
                }
                Heard::Lost(ticket, reason, attached) => {
                    trade.lost(desk, &one.key, ticket, reason, attached);
                }
            }
        }
    }
}
