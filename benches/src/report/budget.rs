//! The table of the design's budget: what was to be reached, what was measured, and whether that is met.

use crate::case::Work;
use crate::measure::calls;
use crate::measure::limits::CYCLE;
use crate::measure::memory::mib;
use crate::results::Results;
use crate::table::{Cell, Row};
use std::fmt::Write;

/// Rates: ours as a multiple of Postfix's.
const TIMES: f64 = 5.0;

/// Processor time of a message: ours as a share of Postfix's.
const SHARE: f64 = 0.2;

/// Rounds of syncing before a message is accepted.
const ROUNDS: u64 = 3;

/// Durable cycles: a share of what a bare loop does.
const CYCLES: f64 = 0.6;

/// Rate with mail waiting: a share of the rate without.
const BESIDE_BACKLOG: f64 = 0.9;

/// The backlog that the budget is about.
const BACKLOG: u64 = 100_000;

/// Seconds from start to first delivery.
const FIRST_DELIVERY: f64 = 2.0;

/// Bytes of memory for a waiting message.
const BYTES: f64 = 100.0;

/// The section of the page.
pub fn write(results: &Results) -> String {
    let mut table = Table::default();
    let counted: Vec<f64> = results.rows.iter().filter_map(processes_started).collect();
    for (work, words) in [
        (Work::Maildir, "SMTP to Maildir, 1 KiB, 10 sessions"),
        (Work::Relay, "SMTP relayed, 1 KiB, 10 sessions"),
    ] {
        let row =
            results.rows.iter().find(|r| r.case.is_main() && r.case.work == work && r.case.sessions == 10);
        let rate = row.and_then(|r| r.ratio_to("Postfix", |m| m.rate));
        let cpu = row.and_then(|r| r.ratio_to("Postfix", |m| m.cpu));
        let budget = format!("{TIMES} times Postfix's messages a second");
        table.add(words, &budget, rate.map(|r| (format!("{r:.2} times"), r >= TIMES)));
        let budget = format!("at most {SHARE} of Postfix's CPU a message");
        table.add("", &budget, cpu.map(|c| (format!("{c:.2} of it"), c <= SHARE)));
    }
    let most = counted.iter().copied().reduce(f64::max);
    // One or two of some hundred messages: what was started once, not for a message.
    table.add(
        "processes started a message, SMTP to Maildir and relayed",
        "0",
        most.map(|m| (format!("{m:.3}"), m < 0.05)),
    );
    table.add(
        "rounds of syncing an accepted message waits for",
        &ROUNDS.to_string(),
        Some((
            format!("{} on this file system, counted by the crash tests", results.rounds_of_syncing),
            results.rounds_of_syncing <= ROUNDS,
        )),
    );
    table.cycles(results);
    let idle = |name: &str| results.servers.iter().find(|s| s.name == name).map(|s| s.idle.bytes);
    let both = idle("Quail").zip(idle("Postfix"));
    let shown =
        |(ours, theirs)| (format!("{:.1} MiB; Postfix {:.1} MiB", mib(ours), mib(theirs)), ours < theirs);
    table.add("idle memory (PSS); there is no TLS yet", "less than Postfix's", both.map(shown));
    table.backlogs(results);
    format!(
        "## The budget\n\n| work | budget | measured | |\n|---|---|---|---|\n{}\nTLS rows are missing, because there is no TLS yet.\n\n",
        table.lines
    )
}

#[derive(Default)]
struct Table {
    lines: String,
}

impl Table {
    /// A line; what was found, and whether it is enough.
    fn add(&mut self, work: &str, budget: &str, found: Option<(String, bool)>) {
        let (measured, verdict) = match found {
            Some((words, true)) => (words, "met"),
            Some((words, false)) => (words, "**not met**"),
            None => ("–".to_owned(), "not measured"),
        };
        let _ = writeln!(self.lines, "| {work} | {budget} | {measured} | {verdict} |");
    }

    fn cycles(&mut self, results: &Results) {
        let row = results
            .rows
            .iter()
            .find(|r| r.case.is_main() && r.case.work == Work::Maildir && r.case.sessions == 10);
        let rate = row.and_then(ours).map(|c| c.median(|m| m.rate));
        let limit = results.limits.iter().find(|l| l.what == CYCLE);
        let found = rate.zip(limit).map(|(rate, limit)| {
            let share = rate / limit.rate.max(1e-9);
            let words =
                format!("{:.0} %: {rate:.0} a second, the bare loop {:.0}", share * 100.0, limit.rate);
            (words, share >= CYCLES)
        });
        let budget = format!("at least {:.0} % of a bare loop's with as many threads", CYCLES * 100.0);
        self.add("durable small-file cycles, 10 sessions", &budget, found);
    }

    fn backlogs(&mut self, results: &Results) {
        if !results.backlogs.iter().any(|b| b.waiting == BACKLOG) {
            self.add(&format!("{BACKLOG} deferred messages waiting"), "see the design", None);
        }
        for b in &results.backlogs {
            let share = b.with / b.without.max(1e-9);
            let work = format!("{} deferred messages waiting", b.waiting);
            let rate = format!("{:.0} %", share * 100.0);
            let delivery = format!("{:.2} s", b.first_delivery);
            let bytes = format!("{:.0} bytes", b.bytes_a_message);
            if b.waiting != BACKLOG {
                let _ = writeln!(
                    self.lines,
                    "| {work} | the same, for comparison | {rate}; {delivery}; {bytes} | |"
                );
                continue;
            }
            let budget = format!("new mail at {:.0} % of its empty-queue rate", BESIDE_BACKLOG * 100.0);
            self.add(&work, &budget, Some((rate, share >= BESIDE_BACKLOG)));
            let budget = format!("restart to first delivery under {FIRST_DELIVERY} s");
            self.add("", &budget, Some((delivery, b.first_delivery < FIRST_DELIVERY)));
            let budget = format!("under {BYTES} bytes of qmail-send for one more");
            self.add("", &budget, Some((bytes, b.bytes_a_message < BYTES)));
        }
    }
}

fn ours(row: &Row) -> Option<&Cell> {
    row.cells.iter().find(|c| c.name == "Quail" && c.why_not_measured().is_none())
}

/// For the kinds of work that need no process of their own: a program in `.qmail` is one.
fn processes_started(row: &Row) -> Option<f64> {
    if !matches!(row.case.work, Work::Maildir | Work::Relay) {
        return None;
    }
    let (counted, messages) = ours(row)?.calls.as_ref()?;
    Some(calls::per_message(counted.processes, *messages))
}

#[cfg(test)]
mod tests {
    use super::write;
    use crate::case::Case;
    use crate::results::Results;
    use crate::run::Measured;
    use crate::table::{Cell, Row};

    #[test]
    fn a_figure_is_met_or_not_met_or_not_measured() {
        let cell = |name, rate, cpu| Cell {
            name,
            runs: vec![Measured { rate, cpu, ..Measured::default() }],
            calls: None,
        };
        let cells = vec![cell("Quail", 600.0, 0.5), cell("Postfix", 100.0, 1.0)];
        let rows = vec![Row { case: Case::main_maildir(), cells }];
        let text = write(&Results { rows, ..Results::default() });
        assert!(text.contains("| 5 times Postfix's messages a second | 6.00 times | met |"), "{text}");
        assert!(
            text.contains("| at most 0.2 of Postfix's CPU a message | 0.50 of it | **not met** |"),
            "{text}"
        );
        assert!(text.contains(
            "relayed, 1 KiB, 10 sessions | 5 times Postfix's messages a second | – | not measured |"
        ));
    }
}
