//! `quail setup`: from nothing to a running mail system, or only what is missing.
//!
//! It looks first and then acts: each module under `setup` compares one part of the machine with what is needed and
//! gives the [`step::Step`]s that are missing. Nothing missing means nothing done, so that a second run changes
//! nothing. What has been done is written down as commands that take it back ([`record`]).

pub mod accounts;
mod aliases;
mod arrival;
mod controls;
mod dns_advice;
mod links;
mod listener;
pub mod programs;
mod record;
pub mod service;
pub mod step;
pub mod tree;

use crate::page::{say, title};
use crate::place::{People, Place};
use anyhow::{Result, bail};
use controls::Names;
use step::Step;

/// What the command line asks for.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Options {
    /// The domain whose mail this host takes; without it the host's own fully qualified name
    domain: Option<String>,
    /// Print every step and take none
    #[arg(long)]
    dry_run: bool,
    /// Where mail for root and postmaster goes; without it into the Maildir of the account alias
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<String>,
    /// No run script, no unit, no start, no test message
    #[arg(long)]
    no_service: bool,
    /// Leave sendmail, mailq and newaliases of this machine alone
    #[arg(long)]
    no_sendmail: bool,
}

/// Sets up what is missing.
pub fn run(options: &Options) -> Result<()> {
    let place = Place::here();
    permitted(&place, options)?;
    let names = Names::find(&place, options.domain.as_deref(), &controls::host_name()?)?;
    let steps = plan(&place, options, &names)?;
    if steps.is_empty() {
        say(&format!("Nothing to change: {} is set up as {}.", place.home.display(), names.host));
        told_domain(&place, &names);
        return Ok(());
    }
    title(&format!("Setting up {} as {}", place.home.display(), names.host));
    let mut record = record::Record::open(&place);
    for step in &steps {
        say(&format!("  {}", step.does));
        if !options.dry_run {
            record.add(step)?;
            step.take()?;
        }
    }
    if options.dry_run {
        say(&format!("\n{} steps; none has been taken.", steps.len()));
        return Ok(());
    }
    record.write()?;
    say(&format!("\n{} steps; {} takes them back.", steps.len(), place.at("setup/undo").display()));
    if !options.no_service {
        let arrived = arrival::measure(&place, &names.host)?;
        say(&format!("A message to this host arrived in {} ms.", arrived.as_millis().max(1)));
        if !service::is_systemd(&place) {
            let rc = place.at("rc");
            say(&format!("To start with the machine, its init or supervisor is to run {}.", rc.display()));
        }
    }
    told_domain(&place, &names);
    title("For the DNS");
    for line in dns_advice::lines(&names, &os::interfaces::addresses()?) {
        say(&format!("  {line}"));
    }
    Ok(())
}

fn permitted(place: &Place, options: &Options) -> Result<()> {
    if options.dry_run {
        return Ok(());
    }
    if place.people == People::Caller || !nix::unistd::geteuid().is_root() {
        bail!(
            "setup makes accounts and a setuid program, so it must be run by root; `quail setup --dry-run` shows what it would do, `quail try` needs no root"
        );
    }
    if place.home != std::path::Path::new(os::home::DEFAULT_HOME) {
        bail!(
            "QUAIL_HOME is {}, but an installation with accounts of its own is always {}: setuid programs look nowhere else",
            place.home.display(),
            os::home::DEFAULT_HOME
        );
    }
    if options.admin.as_ref().is_some_and(|a| a.contains(['\n', ' ']) || a.is_empty()) {
        bail!("--admin: an address like you@example.org is accepted, or the name of a user of this host");
    }
    Ok(())
}

/// All that is missing, in the order of doing.
fn plan(place: &Place, options: &Options, names: &Names) -> Result<Vec<Step>> {
    let mut steps = accounts::steps(place)?;
    steps.extend(tree::steps(place)?);
    let from = programs::directory_of_this()?;
    steps.extend(programs::steps(place, &from)?);
    steps.extend(controls::steps(place, names));
    steps.extend(aliases::steps(place, options.admin.as_deref()));
    let has_changed = !steps.is_empty();
    if !options.no_sendmail {
        steps.extend(links::steps(place, &from));
    }
    if !options.no_service {
        steps.extend(service::steps(place, has_changed)?);
    }
    Ok(steps)
}

fn told_domain(place: &Place, names: &Names) {
    if let Some(told) = controls::unknown_domain(place, &names.domain) {
        say(&format!(
            "Note: {told}. Control files that exist are never changed; add it yourself, then `quail check`."
        ));
    }
}
