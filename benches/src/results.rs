//! Everything a session of measuring has found; and its form as JSON.

use crate::backlog::Backlog;
use crate::destinations::Beside;
use crate::measure::calls;
use crate::measure::limits::Limit;
use crate::measure::machine::Machine;
use crate::measure::memory::Memory;
use crate::table::{Cell, Row};
use serde_json::{Value, json};

/// A server.
#[derive(Clone, Debug)]
pub struct Server {
    /// What it is called.
    pub name: &'static str,
    /// Its release.
    pub version: String,
    /// Nothing to do.
    pub idle: Memory,
    /// Whether the kernel counts its processor time, or /proc is added up.
    pub is_exact: bool,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct Results {
    /// The command.
    pub command: String,
    /// Where.
    pub machine: Machine,
    /// Rounds of syncing that our queue makes a message wait for, on this disk.
    pub rounds_of_syncing: u64,
    /// What it can do.
    pub limits: Vec<Limit>,
    /// Sessions, and how fast the generator is without a server.
    pub ceiling: Vec<(usize, f64)>,
    /// Who.
    pub servers: Vec<Server>,
    /// How often each row was run on each server.
    pub rounds: usize,
    /// The table.
    pub rows: Vec<Row>,
    /// With mail that waits.
    pub backlogs: Vec<Backlog>,
    /// Sizes that were not tried, and why.
    pub backlogs_left_out: Vec<String>,
    /// Beside bad destinations.
    pub beside: Vec<Beside>,
}

impl Results {
    /// As JSON.
    pub fn to_json(&self) -> Value {
        let machine = &self.machine;
        json!({
            "command": self.command,
            "machine": {
                "cores": machine.cores, "processor": machine.processor, "memory_gib": machine.memory_gib,
                "kernel": machine.kernel, "disk": machine.disk,
            },
            "limits": self.limits.iter().map(|l| json!({
                "what": l.what, "a_second": round(l.rate), "cpu_seconds_per_1000": round(l.cpu),
            })).collect::<Vec<_>>(),
            "generator_to_sink": self.ceiling.iter().map(|(sessions, rate)| json!({
                "sessions": sessions, "messages_a_second": round(*rate),
            })).collect::<Vec<_>>(),
            "servers": self.servers.iter().map(|s| json!({
                "name": s.name, "version": s.version, "idle_pss_bytes": s.idle.bytes,
                "idle_processes": s.idle.processes, "idle_programs": programs(&s.idle), "cpu_is_exact": s.is_exact,
            })).collect::<Vec<_>>(),
            "rounds": self.rounds,
            "rows": self.rows.iter().map(|r| json!({
                "name": r.case.name(), "ratio_to_fastest": r.ratio_to_fastest().map(round),
                "servers": r.cells.iter().map(cell).collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
            "backlogs": self.backlogs.iter().map(|b| json!({
                "waiting": b.waiting, "first_delivery_seconds": round(b.first_delivery),
                "rate_with": round(b.with), "rate_without": round(b.without),
                "qmail_send_bytes_a_message": round(b.bytes_a_message),
            })).collect::<Vec<_>>(),
            "backlogs_left_out": self.backlogs_left_out,
            "beside_bad_destinations": self.beside.iter().map(|b| json!({
                "server": b.name, "rate_alone": round(b.alone), "rate_beside": round(b.beside),
            })).collect::<Vec<_>>(),
        })
    }
}

fn programs(memory: &Memory) -> Value {
    let each = |(name, (count, bytes)): (&String, &(usize, u64))| {
        (name.clone(), json!({ "processes": count, "pss_bytes": bytes }))
    };
    Value::Object(memory.programs.iter().map(each).collect())
}

fn cell(cell: &Cell) -> Value {
    if let Some(why) = cell.why_not_measured() {
        return json!({ "name": cell.name, "not_measured": why });
    }
    let (slowest, fastest) = cell.spread();
    let sum = |figure: fn(&crate::run::Measured) -> usize| cell.runs.iter().map(figure).sum::<usize>();
    json!({
        "name": cell.name,
        "messages_a_second": round(cell.median(|m| m.rate)),
        "slowest": round(slowest), "fastest": round(fastest),
        "accepted_a_second": round(cell.median(|m| m.accepted_rate)),
        "cpu_seconds_per_1000": round(cell.median(|m| m.cpu)),
        "reply_ms": [round(cell.median(|m| m.reply_ms.0)), round(cell.median(|m| m.reply_ms.1))],
        "arrival_ms": [round(cell.median(|m| m.arrival_ms.0)), round(cell.median(|m| m.arrival_ms.1))],
        "disk_flushes": cell.median_if_known(|m| m.flushes).map(round),
        "journal_commits": cell.median_if_known(|m| m.commits).map(round),
        "pss_bytes": cell.memory().bytes, "processes": cell.memory().processes,
        "refused": sum(|m| m.refused), "missing": sum(|m| m.missing), "twice": sum(|m| m.duplicates),
        "calls": cell.calls.as_ref().map(|(counted, messages)| {
            let per = |count| round(calls::per_message(count, *messages));
            json!({
                "all": per(counted.total), "fsync_and_fdatasync": per(counted.syncs),
                "other_syncs": per(counted.other_syncs), "processes_started": per(counted.processes),
                "most": counted.most(30, *messages).into_iter()
                    .map(|(program, call, count)| json!([program, call, round(count)])).collect::<Vec<_>>(),
            })
        }),
    })
}

/// To three digits after the point: more is noise.
fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
