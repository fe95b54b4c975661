//! docs/performance.md: what was measured, and what others have written about it.

use super::budget;
use super::plot::{self, Bars};
use crate::case::Work;
use crate::measure::calls;
use crate::measure::memory::mib;
use crate::results::Results;
use crate::table::{Cell, Row};
use std::fmt::Write;

/// The line of the notes that stands for everything that is measured.
const TABLES: &str = "<!-- the measured tables stand here -->\n";

/// The whole page; `notes` is the part that people write, in two pieces around a line of its own.
pub fn write(results: &Results, notes: &str) -> String {
    let (before, after) = notes.split_once(TABLES).unwrap_or(("", notes));
    let mut page = String::from(
        "# Performance\n\nThis page is written by `cargo xtask bench`; its words about what limits and what paid come from \
         `benches/what-paid.md`. A figure is worth something only beside the others of the same run: read the ratios.\n\n",
    );
    machine(results, &mut page);
    page += &budget::write(results);
    page += before;
    plots(results, &mut page);
    rows(results, &mut page);
    memory(results, &mut page);
    backlog(results, &mut page);
    work_for_a_message(results, &mut page);
    limits(results, &mut page);
    page += after;
    page
}

fn machine(results: &Results, page: &mut String) {
    let m = &results.machine;
    let servers: Vec<String> = results.servers.iter().map(|s| format!("{} {}", s.name, s.version)).collect();
    let _ = write!(
        page,
        "- Command: `{}`\n- Machine: {} cores ({}), {} GiB, {}, {}\n- Servers: {}; each at its defaults, with its \
         durability on; all on the same disk, all run by root\n- Runs: {} of each row and server, taking turns; medians. \
         A run lasts until the last message has arrived in the Maildir or at the sink.\n",
        results.command,
        m.cores,
        m.processor,
        m.memory_gib,
        m.kernel,
        m.disk,
        servers.join(", "),
        results.rounds
    );
    let ceiling: Vec<String> =
        results.ceiling.iter().map(|(n, rate)| format!("{rate:.0} with {n}")).collect();
    let _ = writeln!(
        page,
        "- The load generator straight into the sink, messages a second and sessions: {}\n- The users of Postfix, Exim \
         and OpenSMTPD share one Maildir, ours and the original's have one each. Postfix and Exim do not sync \
         directories; we do. By the count below OpenSMTPD answers before anything is synced: its one fsync a message is \
         that of the delivered file.\n- Limits that are lifted, as the load comes from one address and stays connected: ours for \
         sessions from one address; Exim's for sessions (20, `smtp_accept_max`) and for messages of a session that it \
         delivers at once (10, `smtp_accept_queue_per_connection`); OpenSMTPD's for messages of a session (100, `smtp limit \
         max-mails`); those of the original's tcpserver for sessions (40). Everything else is as packaged.\n",
        ceiling.join(", ")
    );
}

fn plots(results: &Results, page: &mut String) {
    for (work, words) in [(Work::Maildir, "SMTP to Maildir"), (Work::Relay, "SMTP relayed")] {
        let of = |figure: fn(&crate::run::Measured) -> f64| -> Vec<Bars> {
            let rows = results.rows.iter().filter(|r| {
                r.case.work == work
                    && r.case.size == 1024
                    && r.case.recipients == 1
                    && r.case.per_connection > 1
            });
            rows.map(|row| Bars {
                label: format!("{} sessions", row.case.sessions),
                bars: row.cells.iter().map(|c| (c.name.to_owned(), shown(c, figure))).collect(),
            })
            .collect()
        };
        for (title, groups) in [
            (format!("{words}, 1 KiB: messages a second"), of(|m| m.rate)),
            (format!("{words}, 1 KiB: CPU microseconds a message"), of(|m| m.cpu * 1000.0)),
        ] {
            if !groups.is_empty() {
                let _ = writeln!(page, "{}\n", plot::draw(&title, &groups));
            }
        }
    }
}

/// What was not measured is not a number: a dash in a plot.
fn shown(cell: &Cell, figure: fn(&crate::run::Measured) -> f64) -> f64 {
    if cell.why_not_measured().is_some() { f64::NAN } else { cell.median(figure) }
}

fn rows(results: &Results, page: &mut String) {
    *page += "## All rows\n\nLatencies are half / 99 of 100. A negative way means: there before the reply was read. \
              CPU is for 1,000 messages, of all processes of the server. Disk flushes and commits of the journal are for a \
              message, of the whole machine. Memory is the proportional set size of all processes under load. A server that \
              took longer than 25 s for a round was not asked again.\n\n\
              | row | server | messages/s | slowest–fastest | ours to the fastest other | CPU s | end of data to reply, ms | reply to arrival, ms | \
              disk flushes | journal commits | PSS under load, MiB | trouble |\n\
              |---|---|---|---|---|---|---|---|---|---|---|---|\n";
    for row in &results.rows {
        for cell in &row.cells {
            line(row, cell, page);
        }
    }
    page.push('\n');
}

fn line(row: &Row, cell: &Cell, page: &mut String) {
    if let Some(why) = cell.why_not_measured() {
        let why = why.replace('|', "/");
        let name = row.case.name();
        let _ = writeln!(page, "| {name} | {} | – | | | | | | | | | not measured: {why} |", cell.name);
        return;
    }
    let (slowest, fastest) = cell.spread();
    let ratio = row.ratio_to_fastest().filter(|_| cell.name == "Quail");
    let per_message = |known: Option<f64>| known.map_or("–".to_owned(), |n| format!("{n:.2}"));
    let trouble: Vec<String> = [
        (cell.runs.iter().map(|m| m.refused).sum::<usize>(), "refused"),
        (cell.runs.iter().map(|m| m.missing).sum::<usize>(), "not in time"),
        (cell.runs.iter().map(|m| m.duplicates).sum::<usize>(), "twice"),
    ]
    .iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} {what}"))
    .collect();
    let _ = writeln!(
        page,
        "| {} | {} | {:.0} | {slowest:.0}–{fastest:.0} | {} | {:.2} | {:.1} / {:.1} | {:.1} / {:.1} | {} | {} | {:.1} | {} |",
        row.case.name(),
        cell.name,
        cell.median(|m| m.rate),
        ratio.map_or(String::new(), |r| format!("{r:.2}")),
        cell.median(|m| m.cpu),
        cell.median(|m| m.reply_ms.0),
        cell.median(|m| m.reply_ms.1),
        cell.median(|m| m.arrival_ms.0),
        cell.median(|m| m.arrival_ms.1),
        per_message(cell.median_if_known(|m| m.flushes)),
        per_message(cell.median_if_known(|m| m.commits)),
        cell.memory().mib(),
        trouble.join(", "),
    );
}

fn memory(results: &Results, page: &mut String) {
    *page += "## Memory\n\nProportional set size of all processes of a server.\n\n\
              | server | idle | processes | under load, SMTP to Maildir with 50 sessions | processes |\n|---|---|---|---|---|\n";
    for server in &results.servers {
        let row = results.rows.iter().find(|r| r.case.is_main() && r.case.sessions == 50);
        let loaded = row.and_then(|r| r.cells.iter().find(|c| c.name == server.name)).map(Cell::memory);
        let _ = writeln!(
            page,
            "| {} | {:.1} MiB | {} | {} |",
            server.name,
            server.idle.mib(),
            server.idle.processes,
            loaded.map_or("– | –".to_owned(), |m| format!("{:.1} MiB | {}", m.mib(), m.processes)),
        );
    }
    if let Some(ours) = results.servers.iter().find(|s| s.name == "Quail") {
        let each = ours.idle.programs.iter().map(|(name, (_, bytes))| format!("{name} {:.2}", mib(*bytes)));
        let _ = writeln!(page, "\nOurs idle, MiB: {}.\n", each.collect::<Vec<_>>().join(", "));
    }
}

fn backlog(results: &Results, page: &mut String) {
    if !results.backlogs.is_empty() {
        *page += "## While mail waits\n\n| deferred messages waiting | new mail, messages/s | with an empty queue | start to \
                  first delivery | qmail-send a message |\n|---|---|---|---|---|\n";
        for b in &results.backlogs {
            let _ = writeln!(
                page,
                "| {} | {:.0} | {:.0} | {:.2} s | {:.0} bytes |",
                b.waiting, b.with, b.without, b.first_delivery, b.bytes_a_message
            );
        }
        page.push('\n');
    }
    for why in &results.backlogs_left_out {
        let _ = writeln!(page, "Left out: {why}.\n");
    }
    if !results.beside.is_empty() {
        *page += "| relayed to a healthy destination | alone, messages/s | beside 300 messages for a dead and 300 for a slow one \
                  |\n|---|---|---|\n";
        for b in &results.beside {
            let _ = writeln!(page, "| {} | {:.0} | {:.0} |", b.name, b.alone, b.beside);
        }
        page.push('\n');
    }
}

fn work_for_a_message(results: &Results, page: &mut String) {
    let counted = results.rows.iter().flat_map(|r| r.cells.iter().map(move |c| (r, c)));
    let counted: Vec<_> = counted.filter_map(|(r, c)| Some((r, c, c.calls.as_ref()?))).collect();
    if counted.is_empty() {
        *page += "## Work for a message\n\nNot measured: strace is not there.\n\n";
        return;
    }
    *page += "## Work for a message\n\nCounted by strace in a run of its own.\n\n| row | server | system calls | fsync and fdatasync | \
              `sync_file_range` and other syncs | processes started | most |\n|---|---|---|---|---|---|---|\n";
    for (row, cell, (calls, messages)) in counted {
        let per = |count| calls::per_message(count, *messages);
        let most = calls
            .most(12, *messages)
            .into_iter()
            .map(|(program, call, n)| format!("{program} {call} {n:.1}"));
        let _ = writeln!(
            page,
            "| {} | {} | {:.0} | {:.2} | {:.2} | {:.3} | {} |",
            row.case.name(),
            cell.name,
            per(calls.total),
            per(calls.syncs),
            per(calls.other_syncs),
            per(calls.processes),
            most.collect::<Vec<_>>().join(", "),
        );
    }
    page.push('\n');
}

fn limits(results: &Results, page: &mut String) {
    *page += "## What the machine can do\n\n| bare loop | a second | CPU s for 1,000 |\n|---|---|---|\n";
    for limit in &results.limits {
        let _ = writeln!(page, "| {} | {:.0} | {:.2} |", limit.what, limit.rate, limit.cpu);
    }
    page.push('\n');
}
