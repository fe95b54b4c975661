//! quail-bench: messages per second, beside other mail servers. `cargo xtask bench` builds and runs it; its README says
//! how to read what it writes.
#![forbid(unsafe_code)]

mod case;
mod load;
mod measure;
mod moment;
mod mta;
mod options;
mod run;
mod table;
mod terminal;

use anyhow::Result;
use load::sink::{Manner, Sink};
use mta::{Mta, Routes};
use options::Options;
use std::process::ExitCode;
use std::time::Duration;
use terminal::say;

fn main() -> ExitCode {
    let options = match options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => {
            say(&format!("{why}\n{}", options::USAGE));
            return ExitCode::from(2);
        }
    };
    match measure_all(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("bench: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn measure_all(options: &Options) -> Result<()> {
    let sink = Sink::start(Manner::Prompt)?;
    let slow = Sink::start(Manner::Slow(Duration::from_secs(1)))?;
    let dead = Sink::start(Manner::Mute)?;
    let routes = Routes { away: sink.address, slow: slow.address, dead: dead.address };
    for sessions in [1, 10, 50] {
        let rate = table::ceiling(&sink, sessions, Duration::from_secs(1))?;
        say(&format!("generator to sink, {sessions} sessions: {rate:.0} messages a second"));
    }
    let time = Duration::from_millis(if options.quick { 500 } else { 2000 });
    for limit in measure::limits::measure(&std::env::temp_dir(), time)? {
        say(&format!("{}: {:.0} a second", limit.what, limit.rate));
    }
    let mtas = start(options, routes)?;
    let mut ends = run::Ends { maildirs: std::collections::BTreeMap::new(), sink: sink.arrivals.clone() };
    for mta in &mtas {
        ends.maildirs.insert(mta.facts.name, load::maildirs::watch(&mta.facts.maildirs)?);
        let idle = measure::memory::of(&mta.group.processes());
        say(&format!(
            "{} {} idle: {} KiB PSS in {} processes",
            mta.facts.name,
            mta.facts.version,
            idle.bytes >> 10,
            idle.processes
        ));
    }
    let cases = if options.quick { case::quick() } else { case::all() };
    let wanted = |name: &str| options.case.as_ref().is_none_or(|text| name.contains(text));
    let mut first = 1;
    for case in cases.iter().filter(|c| wanted(&c.name())) {
        let mut row = table::measure(case, &mtas, &ends, options.rounds(), &mut first)?;
        if case.is_main() && case.sessions == 10 {
            table::count_calls(&mut row, &mtas, &ends, &mut first)?;
        }
        table::say_calls(&row);
    }
    Ok(())
}

/// Starts ours, and those of the others that can be had here.
fn start(options: &Options, routes: Routes) -> Result<Vec<Mta>> {
    let mut mtas = vec![mta::quail::start(routes)?];
    for name in options.peers() {
        let started = match name.as_str() {
            "postfix" => mta::postfix::start(routes),
            "exim" => mta::exim::start(routes),
            _ => Err(anyhow::anyhow!("it is not known here")),
        };
        match started {
            Ok(mta) => mtas.push(mta),
            Err(why) => say(&format!("{name} is left out: {why:#}")),
        }
    }
    Ok(mtas)
}
