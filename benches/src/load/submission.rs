//! Local programs that take a message on standard input: many at once, started by a process of its own in the server's
//! control group, so that what they cost is counted.
//!
//! That process is this program again: `quail-bench --submit AT-ONCE COUNT FIRST SIZE PROGRAM ARGUMENT...`.

use super::generator::{Outcome, Stamp};
use super::text::Text;
use crate::moment::Moment;
use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

/// The argument by which it is known.
pub const ARGUMENT: &str = "--submit";

/// What to submit.
#[derive(Clone, Copy, Debug)]
pub struct Submission {
    /// Programs at once.
    pub at_once: usize,
    /// Messages.
    pub count: u64,
    /// The number of the first.
    pub first: u64,
    /// Bytes of a message.
    pub size: usize,
}

/// A program that takes a message.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// Where it is.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Its environment.
    pub environment: Vec<(OsString, OsString)>,
    /// The group it runs as, where it is not the caller's.
    pub group: Option<u32>,
}

/// The command that runs `program` for each message: this program again, in the program's surroundings.
pub fn command(submission: Submission, program: &Program) -> Result<Command> {
    let Submission { at_once, count, first, size } = submission;
    let mut command = Command::new(std::env::current_exe()?);
    command.env_clear().current_dir("/").arg(ARGUMENT);
    for number in [u64::try_from(at_once)?, count, first, u64::try_from(size)?] {
        command.arg(number.to_string());
    }
    command.arg(&program.path).args(&program.arguments);
    command.envs(program.environment.iter().map(|(name, value)| (name, value)));
    Ok(command)
}

/// Reads what the process has printed.
pub fn outcome(start: Moment, output: &str) -> Outcome {
    let mut outcome = Outcome { start, ..Outcome::default() };
    for line in output.lines() {
        let fields: Vec<u64> = line.split(' ').filter_map(|f| f.parse().ok()).collect();
        if let [number, sent, replied] = *fields.as_slice() {
            let stamp = Stamp { sent: Moment(sent), replied: Moment(replied), recipients: 1 };
            outcome.accepted.insert(number, stamp);
        } else {
            outcome.refused += 1;
            outcome.words = Some(line.to_owned());
        }
    }
    outcome
}

/// The process itself: prints a line for each message, with the times of its end and of the program's exit.
pub fn run(arguments: &[String]) -> Result<()> {
    let [at_once, count, first, size, program, rest @ ..] = arguments else { bail!("arguments are missing") };
    let number = |text: &String| text.parse::<u64>().with_context(|| format!("{text} is no number"));
    let (at_once, first) = (number(at_once)?, number(first)?);
    let end = first + number(count)?;
    let text = Text::for_program(usize::try_from(number(size)?)?);
    let next = AtomicU64::new(first);
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= end {
                        return;
                    }
                    let line = match submit(Command::new(program).args(rest), &text, number) {
                        Ok((sent, replied)) => format!("{number} {} {}", sent.0, replied.0),
                        Err(why) => format!("{why:#}"),
                    };
                    crate::terminal::say(&line);
                }
            });
        }
    });
    Ok(())
}

fn submit(command: &mut Command, text: &Text, number: u64) -> Result<(Moment, Moment)> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(text.head(number).as_bytes())?;
        input.write_all(text.rest())?;
    }
    let sent = Moment::now();
    let status = child.wait()?;
    if !status.success() {
        bail!("{status}");
    }
    Ok((sent, Moment::now()))
}
