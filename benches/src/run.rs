//! One run: one load on one server, measured to the end of the work.

use crate::case::{Case, Work};
use crate::load::arrivals::{Arrival, Arrivals, What};
use crate::load::generator::{self, Load, Outcome};
use crate::load::maildirs;
use crate::load::submission::Submission;
use crate::load::text::Text;
use crate::measure::disk;
use crate::measure::group::Group;
use crate::measure::memory::{self, Memory};
use crate::measure::statistics::percentile;
use crate::moment::Moment;
use crate::mta::{AWAY, Mta};
use crate::terminal::say;
use anyhow::{Result, bail};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a run may take after its last message was accepted.
const TAIL: Duration = Duration::from_secs(60);

/// How long nothing may arrive before the rest is given up.
const SILENCE: Duration = Duration::from_secs(10);

/// How often memory is looked at: seldom enough to cost nothing.
const LOOK: Duration = Duration::from_millis(700);

/// What a run has shown.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// Messages that have arrived for all of their recipients, a second, from the time when all sessions are
    /// connected to the last arrival.
    pub rate: f64,
    /// Messages accepted a second, while they were sent.
    pub accepted_rate: f64,
    /// Messages accepted.
    pub accepted: usize,
    /// Messages refused.
    pub refused: usize,
    /// Deliveries that should have come and did not in time.
    pub missing: usize,
    /// Deliveries that came twice.
    pub duplicates: usize,
    /// Processor seconds of the server for 1,000 messages.
    pub cpu: f64,
    /// Disk flushes for a message; of the whole machine.
    pub flushes: Option<f64>,
    /// Commits of the file system's journal for a message; of the whole machine. None where it has no journal.
    pub commits: Option<f64>,
    /// What its processes occupied when they occupied most, looked at now and then while it worked.
    pub memory: Memory,
    /// The words of the last refusal, or what else went wrong.
    pub words: Option<String>,
    /// Milliseconds from the end of data to the reply: half, and 99 of 100, are no longer.
    pub reply_ms: (f64, f64),
    /// Milliseconds from the reply to the arrival; negative when it has arrived before.
    pub arrival_ms: (f64, f64),
}

/// Where the messages of a case end.
#[derive(Debug, Default)]
pub struct Ends {
    /// The Maildirs of each server, by its name.
    pub maildirs: BTreeMap<&'static str, Arrivals>,
    /// The prompt sink.
    pub sink: Arrivals,
    /// Servers and work that they did not end in time: what they still do would disturb every row after it.
    pub behind: RefCell<BTreeSet<(&'static str, Work)>>,
}

impl Ends {
    /// Of servers that relay nothing.
    pub fn of_maildirs() -> Self {
        Self::default()
    }
}

/// Runs a case once. Numbers of messages start with `first`.
pub fn once(mta: &Mta, case: &Case, ends: &Ends, first: u64) -> Result<Measured> {
    once_traced(mta, case, ends, first, None)
}

/// The same, with the calls of programs that local users start written to `trace`.
pub fn once_traced(
    mta: &Mta,
    case: &Case,
    ends: &Ends,
    first: u64,
    trace: Option<&Path>,
) -> Result<Measured> {
    let arrivals = match (case.work, ends.maildirs.get(mta.facts.name)) {
        (Work::Relay, _) => &ends.sink,
        (_, Some(arrivals)) => arrivals,
        (_, None) => bail!("nobody watches the Maildirs of {}", mta.facts.name),
    };
    arrivals.begin(first);
    let (statistics, journal) = (disk::statistics_of(&mta.facts.disk), disk::journal_of(&mta.facts.disk));
    let flushes = || statistics.as_deref().and_then(disk::flushes);
    let commits = || journal.as_deref().and_then(disk::commits);
    let (cpu_before, flushes_before, commits_before) = (mta.group.cpu_seconds(), flushes(), commits());
    let watch = MemoryWatch::start(mta.group.clone());
    let outcome = if case.work == Work::Submit {
        let (at_once, count, size) = (case.sessions, case.messages, case.size);
        mta.submit(Submission { at_once, count, first, size }, trace)?
    } else {
        generator::run(&load(mta, case, first)?)?
    };
    if let Some(words) = &outcome.words {
        say(&format!("   {}: {words}", mta.facts.name));
    }
    let end = Moment::now().after(TAIL);
    arrivals.wait(outcome.deliveries(), end, SILENCE);
    let cpu = mta.group.cpu_seconds() - cpu_before;
    let since = |(after, before): (u64, u64)| after.saturating_sub(before);
    let flushed = flushes().zip(flushes_before).map(since);
    let committed = commits().zip(commits_before).map(since);
    let memory = watch.stop();
    let mut measured = judge(&outcome, &numbered(arrivals.take()));
    let accepted = thousands(outcome.accepted.len().max(1)) * 1000.0;
    measured.cpu = cpu / (accepted / 1000.0);
    let per_message = |count: u64| count as f64 / accepted;
    measured.flushes = flushed.map(per_message);
    measured.commits = committed.map(per_message);
    measured.memory = memory;
    measured.words = outcome.words;
    Ok(measured)
}

/// Looks at the memory of some processes while they work.
struct MemoryWatch {
    stop: Sender<()>,
    thread: JoinHandle<Memory>,
}

impl MemoryWatch {
    fn start(group: Arc<Group>) -> Self {
        let (stop, stopped) = channel::<()>();
        let thread = std::thread::spawn(move || {
            let mut most = Memory::default();
            loop {
                let is_over = stopped.recv_timeout(LOOK) != Err(RecvTimeoutError::Timeout);
                // A run that is shorter than that is looked at once, at its end.
                if !is_over || most.processes == 0 {
                    let now = memory::of(&group.processes());
                    most = if now.bytes > most.bytes { now } else { most };
                }
                if is_over {
                    return most;
                }
            }
        });
        Self { stop, thread }
    }

    fn stop(self) -> Memory {
        drop(self.stop);
        self.thread.join().unwrap_or_default()
    }
}

fn load(mta: &Mta, case: &Case, first: u64) -> Result<Load> {
    let facts = &mta.facts;
    let recipients = match case.work {
        Work::Maildir | Work::Submit => vec![facts.one.clone()],
        Work::Users => facts.many.clone(),
        Work::Relay => (0..facts.many.len()).map(|n| format!("r{n}@{AWAY}")).collect(),
        Work::Program => match &facts.program {
            Some(program) => vec![program.clone()],
            None => bail!("{} has no program to deliver to", facts.name),
        },
    };
    Ok(Load {
        server: facts.address,
        sessions: case.sessions,
        per_connection: case.per_connection,
        text: Text::for_smtp(case.size),
        recipients,
        per_message: case.recipients,
        messages: case.messages,
        first,
        time: case.time,
    })
}

/// Reads what is only known by a file so far, and removes it.
fn numbered(arrivals: Vec<Arrival>) -> Vec<(u64, Moment)> {
    let number = |arrival: Arrival| match arrival.what {
        What::Number(number) => Some((number, arrival.at)),
        What::File(path) => Some((maildirs::collect(&path)?, arrival.at)),
    };
    arrivals.into_iter().filter_map(number).collect()
}

fn judge(outcome: &Outcome, arrived: &[(u64, Moment)]) -> Measured {
    let mut copies: BTreeMap<u64, (usize, Moment)> = BTreeMap::new();
    for (number, at) in arrived.iter().filter(|(number, _)| outcome.accepted.contains_key(number)) {
        let entry = copies.entry(*number).or_default();
        entry.0 += 1;
        entry.1 = entry.1.max(*at);
    }
    let mut measured =
        Measured { accepted: outcome.accepted.len(), refused: outcome.refused, ..Measured::default() };
    let (mut replies, mut ways) = (Vec::new(), Vec::new());
    let (mut complete, mut last, mut last_reply) = (0, outcome.start, outcome.start);
    for (number, stamp) in &outcome.accepted {
        replies.push(stamp.replied.seconds_since(stamp.sent) * 1000.0);
        last_reply = last_reply.max(stamp.replied);
        let (count, at) = copies.get(number).copied().unwrap_or_default();
        measured.missing += stamp.recipients.saturating_sub(count);
        measured.duplicates += count.saturating_sub(stamp.recipients);
        if count >= stamp.recipients {
            complete += 1;
            last = last.max(at);
            let way = at.seconds_since(stamp.replied) - stamp.replied.seconds_since(at);
            ways.push(way * 1000.0);
        }
    }
    let a_second =
        |count: usize, end: Moment| thousands(count) * 1000.0 / end.seconds_since(outcome.start).max(1e-9);
    measured.rate = a_second(complete, last);
    measured.accepted_rate = a_second(outcome.accepted.len(), last_reply);
    measured.reply_ms = (percentile(&replies, 0.5), percentile(&replies, 0.99));
    measured.arrival_ms = (percentile(&ways, 0.5), percentile(&ways, 0.99));
    measured
}

fn thousands(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / 1000.0
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::load::generator::{Outcome, Stamp};
    use crate::moment::Moment;

    #[test]
    fn what_is_missing_or_twice_is_counted_and_the_rate_is_of_what_is_complete() {
        let second = |s: u64| Moment(s * 1_000_000_000);
        let stamp = |recipients| Stamp { sent: second(1), replied: second(2), recipients };
        let outcome = Outcome {
            start: second(0),
            accepted: [(1, stamp(1)), (2, stamp(2)), (3, stamp(1))].into(),
            refused: 1,
            words: None,
        };
        let arrived = [(1, second(3)), (2, second(3)), (3, second(4)), (3, second(4)), (9, second(9))];
        let measured = judge(&outcome, &arrived);
        assert_eq!(
            (measured.accepted, measured.refused, measured.missing, measured.duplicates),
            (3, 1, 1, 1)
        );
        assert!((measured.rate - 0.5).abs() < 1e-9, "{measured:?}");
        assert!((measured.reply_ms.0 - 1000.0).abs() < 1e-9 && measured.arrival_ms.1 >= 1000.0);
    }
}
