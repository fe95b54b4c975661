//! A healthy destination beside a dead and a slow one.

use crate::case::{Case, Work};
use crate::load::generator::{self, Load};
use crate::load::text::Text;
use crate::measure::statistics::median;
use crate::mta::{DEAD, Mta, SLOW};
use crate::run::{self, Ends};
use crate::terminal::say;
use anyhow::Result;
use std::time::Duration;

/// Messages for each bad destination.
const BAD: u64 = 300;

/// What it is called.
pub const NAME: &str = "a healthy destination beside a dead and a slow one";

/// What a server did.
#[derive(Clone, Debug)]
pub struct Beside {
    /// Which.
    pub name: &'static str,
    /// Messages a second to the healthy destination, nothing else waiting.
    pub alone: f64,
    /// The same while mail for the bad ones waits.
    pub beside: f64,
}

/// Measures it. The mail for the bad destinations stays: this comes last.
pub fn measure(mtas: &[Mta], ends: &Ends, rounds: usize, first: &mut u64) -> Result<Vec<Beside>> {
    say(&format!("== {NAME}"));
    let case = Case { work: Work::Relay, ..Case::main_maildir() };
    let mut found = Vec::new();
    for mta in mtas {
        let mut rate = || -> Result<f64> {
            let mut rates = Vec::new();
            for _ in 0..rounds {
                rates.push(run::once(mta, &case, ends, *first)?.rate);
                *first += case.messages;
            }
            Ok(median(&rates))
        };
        let alone = rate()?;
        for domain in [SLOW, DEAD] {
            generator::run(&Load {
                server: mta.facts.address,
                sessions: 10,
                per_connection: usize::MAX,
                text: Text::for_smtp(1024),
                recipients: (0..100).map(|n| format!("r{n}@{domain}")).collect(),
                per_message: 1,
                messages: BAD,
                first: 1,
                time: Duration::from_secs(10),
            })?;
        }
        let beside = rate()?;
        say(&format!("   {:<10} {alone:>8.0} msg/s alone, {beside:.0} beside", mta.facts.name));
        found.push(Beside { name: mta.facts.name, alone, beside });
    }
    Ok(found)
}
