//! quail-bench: messages per second, beside other mail servers. `cargo xtask bench` builds and runs it; its README says
//! how to read what it writes.
#![forbid(unsafe_code)]

mod backlog;
mod case;
mod destinations;
mod load;
mod lock;
mod measure;
mod moment;
mod mta;
mod options;
mod report;
mod results;
mod run;
mod table;
mod terminal;

use anyhow::{Context, Result};
use load::sink::{Manner, Sink};
use moment::Moment;
use mta::{Mta, Routes};
use options::Options;
use results::{Results, Server};
use run::Ends;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use terminal::say;

/// How long servers settle before their idle memory is taken.
const SETTLE: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some((first, rest)) = arguments.split_first()
        && first == load::submission::ARGUMENT
    {
        return exit(load::submission::run(rest));
    }
    let options = match options::parse(arguments.into_iter()) {
        Ok(options) => options,
        Err(why) => {
            say(&format!("{why}\n{}", options::USAGE));
            return ExitCode::from(2);
        }
    };
    exit(measure_all(&options))
}

fn exit(result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("bench: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn measure_all(options: &Options) -> Result<()> {
    let began = Moment::now();
    let sink = Sink::start(Manner::Prompt)?;
    let slow = Sink::start(Manner::Slow(Duration::from_secs(1)))?;
    let dead = Sink::start(Manner::Mute)?;
    let routes = Routes { away: sink.address, slow: slow.address, dead: dead.address };
    let disk = std::env::temp_dir();
    let mut results = Results {
        command: options.command(),
        machine: measure::machine::look(&disk),
        rounds_of_syncing: queue::incoming::rounds_of_syncing(os::file_system::keeps_order(&disk)),
        rounds: options.rounds(),
        ..Results::default()
    };
    let quiet = lock::take(&options.locks)?;
    surroundings(options, &sink, &disk, &mut results)?;
    drop(quiet);
    let mtas = start(options, routes)?;
    let mut ends = Ends { sink: sink.arrivals.clone(), ..Ends::default() };
    // Some start their helpers only now.
    std::thread::park_timeout(SETTLE);
    for mta in &mtas {
        ends.maildirs.insert(mta.facts.name, load::maildirs::watch(&mta.facts.maildirs)?);
        results.servers.push(server(mta));
    }
    let fresh = mtas.first().map_or(0, |m| measure::memory::anonymous(&m.group.processes(), "qmail-send"));
    let mut first = 1;
    let mut cases = if options.quick { case::quick() } else { case::all() };
    cases.retain(|c| options.wants(&c.name()));
    for (number, case) in cases.iter().enumerate() {
        let minutes = Moment::now().seconds_since(began) / 60.0;
        say(&format!(
            "== row {} of {}, after {minutes:.1} minutes: {}",
            number + 1,
            cases.len(),
            case.name()
        ));
        let _quiet = lock::take(&options.locks)?;
        let mut row = table::measure(case, &mtas, &ends, options.rounds(), &mut first)?;
        if case.is_counted() {
            table::count_calls(&mut row, &mtas, &ends, &mut first)?;
            table::say_calls(&row);
        }
        results.rows.push(row);
    }
    if !options.quick {
        for waiting in options.backlogs().into_iter().filter(|n| options.wants(&backlog::name(*n))) {
            if let Some(why) = backlog::why_not(&disk, waiting)? {
                say(&format!("== left out: {why}"));
                results.backlogs_left_out.push(why);
            } else if let Some(ours) = mtas.first() {
                let _quiet = lock::take(&options.locks)?;
                // What has been measured before is not lost with it.
                match backlog::measure(ours, fresh, routes, waiting, options.rounds(), &mut first) {
                    Ok(found) => results.backlogs.push(found),
                    Err(why) => {
                        let why = format!("{}: {why:#}", backlog::name(waiting));
                        say(&format!("   {why}"));
                        results.backlogs_left_out.push(why);
                    }
                }
            }
        }
        if options.wants(destinations::NAME) {
            let _quiet = lock::take(&options.locks)?;
            results.beside = destinations::measure(&mtas, &ends, options.rounds(), &mut first)
                .inspect_err(|why| say(&format!("   {why:#}")))
                .unwrap_or_default();
        }
    }
    drop(mtas);
    say(&format!("measured in {:.1} minutes", Moment::now().seconds_since(began) / 60.0));
    write(options, &results)
}

/// What does not depend on a server.
fn surroundings(options: &Options, sink: &Sink, disk: &Path, results: &mut Results) -> Result<()> {
    let time = Duration::from_millis(if options.quick { 500 } else { 2000 });
    for sessions in [1, 10, 50] {
        let rate = table::ceiling(sink, sessions, time)?;
        say(&format!("generator to sink, {sessions} sessions: {rate:.0} messages a second"));
        results.ceiling.push((sessions, rate));
    }
    results.limits = measure::limits::measure(disk, time)?;
    for limit in &results.limits {
        say(&format!("{}: {:.0} a second, CPU {:.2} s/1000", limit.what, limit.rate, limit.cpu));
    }
    Ok(())
}

fn server(mta: &Mta) -> Server {
    let idle = measure::memory::of(&mta.group.processes());
    let (name, version) = (mta.facts.name, mta.facts.version.clone());
    say(&format!("{name} {version} idle: {} KiB PSS in {} processes", idle.bytes >> 10, idle.processes));
    Server { name, version, idle, is_exact: mta.group.is_exact() }
}

/// The short run is compared; the whole one is written down.
fn write(options: &Options, results: &Results) -> Result<()> {
    let top = std::env::var_os("QUAIL_TOP").map_or_else(|| PathBuf::from("."), PathBuf::from);
    let baseline = top.join("benches/baseline.json");
    if options.quick {
        if options.baseline {
            return report::baseline::write(&baseline, &results.rows);
        }
        report::baseline::compare(&baseline, &results.rows)?.iter().for_each(|line| say(line));
        return Ok(());
    }
    let json = serde_json::to_string_pretty(&results.to_json())? + "\n";
    if options.case.is_some() {
        // A part of the table does not replace the whole.
        let path = std::env::temp_dir().join("part.json");
        std::fs::write(&path, json)?;
        say(&format!("written: {}", path.display()));
        return Ok(());
    }
    let notes =
        std::fs::read_to_string(top.join("benches/what-paid.md")).context("cannot read what-paid.md")?;
    std::fs::write(top.join("docs/performance.json"), json)?;
    std::fs::write(top.join("docs/performance.md"), report::page::write(results, &notes))?;
    say("written: docs/performance.md, docs/performance.json");
    Ok(())
}

/// Starts ours, and those of the others that can be had here.
fn start(options: &Options, routes: Routes) -> Result<Vec<Mta>> {
    let mut mtas = vec![mta::quail::start(routes)?];
    for name in options.peers() {
        let started = match name.as_str() {
            "postfix" => mta::postfix::start(routes),
            "exim" => mta::exim::start(routes),
            "opensmtpd" => mta::opensmtpd::start(routes),
            _ => Err(anyhow::anyhow!("it is not known here")),
        };
        match started {
            Ok(mta) => mtas.push(mta),
            Err(why) => say(&format!("{name} is left out: {why:#}")),
        }
    }
    if let Some(directory) = &options.original {
        match mta::original::start(routes, directory) {
            Ok(mta) => mtas.push(mta),
            Err(why) => say(&format!("the original is left out: {why:#}")),
        }
    }
    Ok(mtas)
}
