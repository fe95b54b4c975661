//! All runs of a session of measuring: every row, every server, round after round.

use crate::case::{Case, Work};
use crate::load::generator::{self, Load};
use crate::load::sink::Sink;
use crate::load::text::Text;
use crate::measure::calls::{self, Calls};
use crate::measure::memory::Memory;
use crate::measure::statistics::{median, range};
use crate::moment::Moment;
use crate::mta::{AWAY, Mta};
use crate::run::{self, Ends, Measured};
use crate::terminal::say;
use anyhow::Result;
use std::time::Duration;

/// Messages of a run under strace.
const COUNTED: u64 = 200;

/// Messages before a row is measured, or one for each session.
const WARM: usize = 20;

/// A run of a row that takes longer than this is the only one of its server.
const LONG: Duration = Duration::from_secs(25);

/// A server that misses one delivery in so many messages is behind.
const MISSING_PART: usize = 10;

/// Why such a one is not measured in further rows of that kind.
const BEHIND: &str = "not asked: in an earlier row of this kind much had not arrived after a minute";

/// Calls shown for a server.
const MOST: usize = 24;

/// What a server did in a row.
#[derive(Clone, Debug)]
pub struct Cell {
    /// The server.
    pub name: &'static str,
    /// All rounds.
    pub runs: Vec<Measured>,
    /// Calls for [`COUNTED`] messages.
    pub calls: Option<(Calls, usize)>,
}

impl Cell {
    /// Why there is no figure; nothing when there is one.
    pub fn why_not_measured(&self) -> Option<String> {
        if self.runs.iter().any(|m| m.rate > 0.0) {
            return None;
        }
        let words = self.runs.iter().rev().find_map(|m| m.words.clone());
        Some(words.unwrap_or_else(|| "nothing has arrived in time".to_owned()))
    }

    /// Of all rounds the most it occupied.
    pub fn memory(&self) -> Memory {
        self.runs.iter().map(|m| m.memory.clone()).max_by_key(|m| m.bytes).unwrap_or_default()
    }

    /// The median of a figure that not every file system has.
    pub fn median_if_known(&self, figure: impl Fn(&Measured) -> Option<f64>) -> Option<f64> {
        let known: Vec<f64> = self.runs.iter().map_while(figure).collect();
        (known.len() == self.runs.len() && !known.is_empty()).then(|| median(&known))
    }

    /// The median over the rounds of some figure.
    pub fn median(&self, figure: impl Fn(&Measured) -> f64) -> f64 {
        median(&self.runs.iter().map(figure).collect::<Vec<_>>())
    }

    /// Smallest and largest rate.
    pub fn spread(&self) -> (f64, f64) {
        range(&self.runs.iter().map(|m| m.rate).collect::<Vec<_>>())
    }
}

/// A measured row.
#[derive(Clone, Debug)]
pub struct Row {
    /// Which.
    pub case: Case,
    /// Each server that could do it.
    pub cells: Vec<Cell>,
}

impl Row {
    /// Our rate as a multiple of that server's.
    pub fn ratio_to(&self, name: &str, figure: impl Fn(&Measured) -> f64 + Copy) -> Option<f64> {
        let of = |name: &str| self.cells.iter().find(|c| c.name == name).map(|c| c.median(figure));
        let (ours, theirs) = (of("Quail")?, of(name)?);
        (theirs > 0.0).then_some(ours / theirs)
    }

    /// Our rate as a multiple of the fastest other's.
    pub fn ratio_to_fastest(&self) -> Option<f64> {
        let others = self.cells.iter().filter(|c| c.name != "Quail" && c.why_not_measured().is_none());
        let fastest = others.max_by(|a, b| a.median(|m| m.rate).total_cmp(&b.median(|m| m.rate)))?;
        self.ratio_to(fastest.name, |m| m.rate)
    }
}

/// Measures a row: A B A B, each after the disk has come to rest.
pub fn measure(case: &Case, mtas: &[Mta], ends: &Ends, rounds: usize, first: &mut u64) -> Result<Row> {
    let able: Vec<&Mta> =
        mtas.iter().filter(|m| case.work != Work::Program || m.facts.program.is_some()).collect();
    let mut cells: Vec<Cell> =
        able.iter().map(|m| Cell { name: m.facts.name, runs: Vec::new(), calls: None }).collect();
    let is_behind = |mta: &Mta| ends.behind.borrow().contains(&(mta.facts.name, case.work));
    // Whatever is made on first use is made before the time is taken.
    let warm = Case { messages: u64::try_from(case.sessions.max(WARM))?, ..case.clone() };
    for mta in able.iter().filter(|mta| !is_behind(mta)) {
        let _ = next(mta, &warm, ends, first);
    }
    let mut done = vec![false; able.len()];
    for _ in 0..rounds {
        for ((mta, cell), done) in able.iter().zip(&mut cells).zip(&mut done) {
            if *done {
                continue;
            }
            if is_behind(mta) {
                *done = true;
                if cell.runs.is_empty() {
                    cell.runs.push(Measured { words: Some(BEHIND.to_owned()), ..Measured::default() });
                }
                continue;
            }
            nix::unistd::sync();
            let began = Moment::now();
            // A server that cannot be reached is a row without a figure, not the end of the run.
            let measured = next(mta, case, ends, first)
                .unwrap_or_else(|why| Measured { words: Some(format!("{why:#}")), ..Measured::default() });
            *done = Moment::now().seconds_since(began) > LONG.as_secs_f64();
            say(&line(mta.facts.name, &measured));
            if measured.missing > measured.accepted / MISSING_PART {
                ends.behind.borrow_mut().insert((mta.facts.name, case.work));
            }
            cell.runs.push(measured);
        }
    }
    Ok(Row { case: case.clone(), cells })
}

/// Counts the system calls of a row's servers.
pub fn count_calls(row: &mut Row, mtas: &[Mta], ends: &Ends, first: &mut u64) -> Result<()> {
    let case = Case { messages: COUNTED, time: Duration::from_secs(30), ..row.case.clone() };
    for cell in &mut row.cells {
        let Some(mta) = mtas.iter().find(|m| m.facts.name == cell.name) else { continue };
        if cell.why_not_measured().is_some() {
            continue;
        }
        let scratch = tempfile::tempdir()?;
        let counted = calls::count(&mta.group.processes(), scratch.path(), |submitters| {
            let measured = run::once_traced(mta, &case, ends, *first, Some(submitters))?;
            *first += case.messages;
            Ok(measured)
        });
        match counted {
            Ok(found) => cell.calls = found.map(|(calls, measured)| (calls, measured.accepted)),
            Err(why) => say(&format!("{}: calls are not counted: {why:#}", cell.name)),
        }
    }
    Ok(())
}

/// Shows what was counted.
pub fn say_calls(row: &Row) {
    for cell in &row.cells {
        let Some((calls, messages)) = &cell.calls else { continue };
        let per_message = |count| calls::per_message(count, *messages);
        say(&format!(
            "   {}: {:.0} system calls a message, {:.2} fsync and fdatasync, {:.2} others that sync, {:.3} processes started",
            cell.name,
            per_message(calls.total),
            per_message(calls.syncs),
            per_message(calls.other_syncs),
            per_message(calls.processes),
        ));
        let most = calls
            .most(MOST, *messages)
            .into_iter()
            .map(|(program, call, n)| format!("{program} {call} {n:.1}"));
        say(&format!("      {}", most.collect::<Vec<_>>().join(", ")));
    }
}

fn next(mta: &Mta, case: &Case, ends: &Ends, first: &mut u64) -> Result<Measured> {
    let measured = run::once(mta, case, ends, *first);
    *first += case.messages;
    measured
}

fn line(name: &str, m: &Measured) -> String {
    let mut line = format!(
        "   {name:<10} {:>8.0} msg/s   cpu {:>6.2} s/1000   reply {:.1}/{:.1} ms   arrival {:.1}/{:.1} ms   {:.1} MiB",
        m.rate,
        m.cpu,
        m.reply_ms.0,
        m.reply_ms.1,
        m.arrival_ms.0,
        m.arrival_ms.1,
        m.memory.mib()
    );
    for (figure, what) in [(m.flushes, "flushes"), (m.commits, "commits")] {
        line += &figure.map(|f| format!("   {f:.2} {what}")).unwrap_or_default();
    }
    for (count, what) in [(m.refused, "refused"), (m.missing, "missing"), (m.duplicates, "twice")] {
        if count > 0 {
            line += &format!("   {count} {what}");
        }
    }
    line
}

/// How fast the generator is when nobody is between it and the sink.
pub fn ceiling(sink: &Sink, sessions: usize, time: Duration) -> Result<f64> {
    drop(sink.arrivals.take());
    let outcome = generator::run(&Load {
        server: sink.address,
        sessions,
        per_connection: usize::MAX,
        text: Text::for_smtp(1024),
        recipients: vec![format!("r@{AWAY}")],
        per_message: 1,
        messages: u64::MAX,
        first: 1,
        time,
    })?;
    let count = f64::from(u32::try_from(outcome.accepted.len())?);
    let last = outcome.accepted.values().map(|s| s.replied).max().unwrap_or_default();
    drop(sink.arrivals.take());
    Ok(count / last.seconds_since(outcome.start).max(1e-9))
}
