//! docs/performance.md: what was measured, and what others have written about it.

use super::plot::{self, Bars};
use crate::case::Work;
use crate::measure::calls;
use crate::measure::limits::CYCLE;
use crate::results::Results;
use crate::table::{Cell, Row};
use std::fmt::Write;

/// The whole page; `notes` is the part that people write.
pub fn write(results: &Results, notes: &str) -> String {
    let mut page = String::from(
        "# Performance\n\nThis page is written by `cargo xtask bench`; its last part comes from `benches/what-paid.md`. \
         A figure is worth something only beside the others of the same run: read the ratios.\n\n",
    );
    machine(results, &mut page);
    budget(results, &mut page);
    plots(results, &mut page);
    rows(results, &mut page);
    memory(results, &mut page);
    backlog(results, &mut page);
    work_for_a_message(results, &mut page);
    limits(results, &mut page);
    page += notes;
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
        "- The load generator straight into the sink, messages a second and sessions: {}\n- The users of Postfix and Exim \
         share one Maildir, ours have one each. Postfix and Exim do not sync directories; we do. Exim's limits for sessions \
         and for messages a connection are lifted, or it would only queue; ours for sessions from one address.\n",
        ceiling.join(", ")
    );
}

/// The rows of the budget in the design.
fn budget(results: &Results, page: &mut String) {
    *page += "## The budget\n\n| work | budget | reached |\n|---|---|---|\n";
    for (work, words) in [(Work::Maildir, "SMTP to Maildir"), (Work::Relay, "SMTP relayed")] {
        let Some(row) =
            results.rows.iter().find(|r| r.case.is_main() && r.case.work == work && r.case.sessions == 10)
        else {
            continue;
        };
        let rate = row.ratio_to("Postfix", |m| m.rate).map_or("–".to_owned(), |r| format!("{r:.2} times"));
        let cpu = row.ratio_to("Postfix", |m| m.cpu).map_or("–".to_owned(), |r| format!("{r:.2} of it"));
        let _ =
            writeln!(page, "| {words}, 1 KiB, 10 sessions | 5 times Postfix's messages a second | {rate} |");
        let _ = writeln!(page, "| | at most 0.2 of Postfix's CPU a message | {cpu} |");
        let ours = row.cells.iter().find(|c| c.name == "Quail");
        if let Some((counted, messages)) = ours.and_then(|c| c.calls.as_ref()) {
            let started = calls::per_message(counted.processes, *messages);
            let _ = writeln!(page, "| | 0 processes started a message | {started:.3} |");
        }
        let limit = results.limits.iter().find(|l| l.what == CYCLE);
        if let (Some(limit), Some(ours), Work::Maildir) = (limit, ours, work) {
            let share = ours.median(|m| m.rate) / limit.rate.max(1e-9) * 100.0;
            let _ = writeln!(page, "| durable cycles | at least 60 % of a bare loop's | {share:.0} % |");
            let _ = writeln!(
                page,
                "| | (the bare loop itself: {:.0} a second, {:.2} CPU seconds for 1,000) | |",
                limit.rate, limit.cpu
            );
        }
    }
    let idle = |name: &str| results.servers.iter().find(|s| s.name == name).map(|s| mib(s.idle.bytes));
    if let (Some(ours), Some(theirs)) = (idle("Quail"), idle("Postfix")) {
        let _ = writeln!(
            page,
            "| idle memory (PSS) | less than Postfix's | {ours:.1} MiB; Postfix {theirs:.1} MiB |"
        );
    }
    for b in &results.backlogs {
        let _ = writeln!(
            page,
            "| {} deferred messages | 90 % of the empty-queue rate; first delivery under 2 s; under 100 bytes each | \
             {:.0} %; {:.2} s; {:.0} bytes |",
            b.waiting,
            b.with / b.without.max(1e-9) * 100.0,
            b.first_delivery,
            b.bytes_a_message
        );
    }
    page.push('\n');
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
                bars: row.cells.iter().map(|c| (c.name.to_owned(), c.median(figure))).collect(),
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

fn rows(results: &Results, page: &mut String) {
    *page += "## All rows\n\nLatencies are half / 99 of 100. A negative way means: there before the reply was read. \
              CPU is for 1,000 messages, of all processes of the server.\n\n\
              | row | server | messages/s | slowest–fastest | ours to the fastest other | CPU s | end of data to reply, ms | reply to arrival, ms | \
              disk flushes | trouble |\n|---|---|---|---|---|---|---|---|---|---|\n";
    for row in &results.rows {
        for cell in &row.cells {
            line(row, cell, page);
        }
    }
    page.push('\n');
}

fn line(row: &Row, cell: &Cell, page: &mut String) {
    let (slowest, fastest) = cell.spread();
    let ratio = row.ratio_to_fastest().filter(|_| cell.name == "Quail");
    let flushes = cell.runs.iter().all(|m| m.flushes.is_some());
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
        "| {} | {} | {:.0} | {slowest:.0}–{fastest:.0} | {} | {:.2} | {:.1} / {:.1} | {:.1} / {:.1} | {} | {} |",
        row.case.name(),
        cell.name,
        cell.median(|m| m.rate),
        ratio.map_or(String::new(), |r| format!("{r:.2}")),
        cell.median(|m| m.cpu),
        cell.median(|m| m.reply_ms.0),
        cell.median(|m| m.reply_ms.1),
        cell.median(|m| m.arrival_ms.0),
        cell.median(|m| m.arrival_ms.1),
        if flushes { format!("{:.2}", cell.median(|m| m.flushes.unwrap_or(0.0))) } else { "–".to_owned() },
        trouble.join(", "),
    );
}

fn memory(results: &Results, page: &mut String) {
    *page += "## Memory\n\nProportional set size of all processes of a server.\n\n\
              | server | idle | processes | after a run with 50 sessions | processes |\n|---|---|---|---|---|\n";
    for server in &results.servers {
        let row = results.rows.iter().find(|r| r.case.is_main() && r.case.sessions == 50);
        let loaded = row.and_then(|r| r.cells.iter().find(|c| c.name == server.name)).map(|c| &c.memory);
        let _ = writeln!(
            page,
            "| {} | {:.1} MiB | {} | {} |",
            server.name,
            mib(server.idle.bytes),
            server.idle.processes,
            loaded.map_or("– | –".to_owned(), |m| format!("{:.1} MiB | {}", mib(m.bytes), m.processes)),
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
    *page += "## Work for a message\n\nCounted by strace in a run of its own.\n\n| row | server | system calls | syncs | processes \
              started | most |\n|---|---|---|---|---|---|\n";
    for (row, cell, (calls, messages)) in counted {
        let per = |count| calls::per_message(count, *messages);
        let most = calls
            .most(12, *messages)
            .into_iter()
            .map(|(program, call, n)| format!("{program} {call} {n:.1}"));
        let _ = writeln!(
            page,
            "| {} | {} | {:.0} | {:.2} | {:.3} | {} |",
            row.case.name(),
            cell.name,
            per(calls.total),
            per(calls.syncs),
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

fn mib(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes >> 10).unwrap_or(u32::MAX)) / 1024.0
}
