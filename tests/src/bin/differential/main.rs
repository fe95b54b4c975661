//! `cargo xtask differential --original DIR`: the same journeys on an installed original and on us, and what differs.
//!
//! Each journey is walked twice, on a thread of its own with a private mount name space, accounts, tree and queue. What it
//! sees is noted under a name, in a form without numbers and dates ([`shape`]); then the two lists of notes are compared.
//! A difference that is a defect of the original, and listed with its number in [`known`], is no failure.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that cannot go on must stop, loudly"
)]

mod adoption;
mod comparison;
mod ground;
mod journeys;
mod known;
mod shape;
mod switch_over;

use comparison::{Total, Walked};
use ground::{Ground, Side};
use quail_tests::peers::original::Original;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

/// What a journey saw, in order: a name and a text.
#[derive(Clone, Debug, Default)]
pub struct Notes(Arc<Mutex<Vec<(String, String)>>>);

impl Notes {
    /// Notes something, in a form that can be compared.
    pub fn add(&self, name: &str, text: &str) {
        self.0.lock().unwrap().push((name.to_owned(), shape::of(text)));
    }

    fn list(&self) -> Vec<(String, String)> {
        self.0.lock().unwrap().clone()
    }
}

/// A journey.
pub type Walk = fn(&mut Ground, &Notes);

/// What both do together, with the original in that directory. A trial that goes wrong panics.
type Trial = fn(&Path);

const TRIALS: [(&str, Trial); 2] =
    [("twenty changes of hands", switch_over::twenty_times), ("adoption", adoption::there_and_back)];

fn main() -> ExitCode {
    let (mut original, mut only) = (None, None);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--original" => original = args.next().map(PathBuf::from),
            "--only" => only = args.next(),
            other => {
                eprintln!("differential: what is {other}?");
                return ExitCode::from(2);
            }
        }
    }
    let Some(original) = original.and_then(|path| path.canonicalize().ok()) else {
        eprintln!("differential: --original DIR: where bin/qmail-send and the others are");
        return ExitCode::from(2);
    };
    if let Err(why) = Original::can_run(&original) {
        eprintln!("differential: {why}");
        return ExitCode::FAILURE;
    }
    let mut total = Total::default();
    for (name, walk) in journeys::ALL {
        if only.as_ref().is_some_and(|wanted| !name.contains(wanted.as_str())) {
            continue;
        }
        let theirs = walked(name, walk, Side::Original(original.clone()));
        let ours = walked(name, walk, Side::Ours);
        total.compare(name, &theirs, &ours);
    }
    for (name, trial) in TRIALS {
        if only.as_ref().is_some_and(|wanted| !name.contains(wanted.as_str())) {
            continue;
        }
        let directory = original.clone();
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || trial(&directory));
        total.count_end(name, thread.expect("a thread").join().is_ok());
    }
    println!(
        "differential: {} the same, {} known differences, {} unexplained, {} journeys cut short",
        total.same, total.known, total.unknown, total.broken
    );
    if total.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn walked(name: &str, walk: Walk, side: Side) -> Walked {
    let notes = Notes::default();
    let writer = notes.clone();
    let label = format!("{name}, {}", side.name());
    let thread = std::thread::Builder::new().name(label).spawn(move || {
        let mut ground = Ground::new(side);
        walk(&mut ground, &writer);
        ground.finish();
    });
    let ended = thread.expect("a thread").join().is_ok();
    Walked { notes: notes.list(), ended }
}
