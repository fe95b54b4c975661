//! `quail adopt`: take over from an installed qmail, and give it back.
//!
//! First it looks, and says what is honoured, what differs and what is not read ([`survey`] and what it calls). Then it
//! keeps the original's programs beside ([`keeping`]), puts ours in their places one rename at a time, and has the
//! host's own supervisor start them ([`supervisor`]). The queue, control files and run scripts are not touched.
//! `--undo` ([`giving_back`]) makes all of it undone; what is in the queue by then is in the original's form
//! ([`classic_form`]).

mod classic_form;
mod controls;
mod differences;
mod giving_back;
mod keeping;
mod origin;
mod queue_survey;
mod remark;
mod scripts;
mod supervisor;
mod survey;

use crate::page::{say, title};
use crate::place::{People, Place};
use crate::setup::{programs, step::set_owner};
use anyhow::{Context, Result, bail};
use keeping::Keeping;
use remark::{Remark, Standing};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use supervisor::Manager;

/// What the command line asks for.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Options {
    /// The installed qmail; without it /var/qmail
    home: Option<PathBuf>,
    /// Look and report, and change nothing
    #[arg(long, conflicts_with = "undo")]
    dry_run: bool,
    /// Give the host back to the original
    #[arg(long)]
    undo: bool,
    /// Leave this program of the original in place (may be given again)
    #[arg(long, value_name = "PROGRAM")]
    keep: Vec<String>,
    /// Take over even though something that is in use now will be missing
    #[arg(long)]
    even_so: bool,
}

/// Looks, and takes over or gives back.
pub fn run(options: &Options) -> Result<()> {
    let mut place = Place::here();
    if let Some(home) = &options.home {
        place.home.clone_from(home);
    }
    if options.undo {
        root_only(&place)?;
        return giving_back::run(&place);
    }
    let survey = survey::of(&place, &options.keep)?;
    survey.tell();
    let lost: Vec<&Remark> = survey.remarks.iter().filter(|r| r.standing == Standing::Lost).collect();
    let blocked = survey.remarks.iter().filter(|r| r.standing == Standing::Blocks).count();
    if options.dry_run {
        title("Nothing has been changed");
        if blocked > 0 {
            say("  It cannot be taken over before what blocks is out of the way.");
        } else if !lost.is_empty() {
            say("  Taking over would need --keep PROGRAM for what would be missing, or --even-so.");
        } else {
            say("  `quail adopt` without --dry-run takes over; `quail adopt --undo` gives back.");
        }
        return Ok(());
    }
    if blocked > 0 {
        bail!("{blocked} things block; nothing has been changed");
    }
    if !lost.is_empty() && !options.even_so {
        bail!(
            "{} things in use would be missing; --keep PROGRAM leaves a program of the original in place, --even-so goes on without; nothing has been changed",
            lost.len()
        );
    }
    root_only(&place)?;
    take_over(&place, &options.keep)
}

fn root_only(place: &Place) -> Result<()> {
    if place.people == People::Accounts && !nix::unistd::geteuid().is_root() {
        bail!("only root can do that; --dry-run needs no root, but sees less");
    }
    Ok(())
}

/// The order of contract 18.1: stop, exchange, start.
fn take_over(place: &Place, keep: &[String]) -> Result<()> {
    title("Taking over");
    let bin = place.at("bin");
    let from = programs::directory_of_this()?;
    let ours: Vec<PathBuf> = crate::installation::programs_in(&from)?
        .into_iter()
        .filter(|p| {
            let name = p.file_name().unwrap_or_default().to_string_lossy();
            !keep.iter().any(|k| *k == name) && !programs::is_wrapper(&bin.join(&*name))
        })
        .collect();
    let queue_owner = owner_of_queue(place)?;
    let manager = Manager::find(place);
    manager.stop()?;
    let keeping = Keeping::begin(place, &ours)?;
    say(&format!("  the original's programs are kept in {}", keeping.directory().display()));
    for source in &ours {
        let Some(name) = source.file_name().map(|n| n.to_string_lossy().into_owned()) else { continue };
        let (owner, mode) = crate::layout::program_owner(&name);
        // Who owns what is read from the installation: its accounts need not have the usual names.
        let (uid, gid) = (if owner == "qmailq" { queue_owner.0 } else { root_of(place)? }, queue_owner.1);
        programs::install(source, &bin.join(&name), |new| {
            set_owner(new, uid, gid, mode).with_context(|| format!("cannot give {} away", new.display()))
        })?;
    }
    say(&format!("  {} programs are in {}", ours.len(), bin.display()));
    manager.start()?;
    say("\nThe host is taken over. `quail adopt --undo` gives it back, with all mail, at any time.");
    Ok(())
}

/// The user and the group that the queue belongs to.
fn owner_of_queue(place: &Place) -> Result<(u32, u32)> {
    let path = place.at("queue/mess");
    let found = path.metadata().with_context(|| format!("cannot look at {}", path.display()))?;
    Ok((found.uid(), found.gid()))
}

fn root_of(place: &Place) -> Result<u32> {
    place.people.uid("root").context("there is no root")
}
