//! `cargo xtask test`: everything CI checks, in one order, with one line at the end.

use crate::tally::Tally;
use crate::terminal::say;
use crate::{deb, debian, replay, tidy, tree};
use anyhow::{Context, Result};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Replays of the recorded cases at a time: they mostly wait, so this is more than there are processors.
const VECTOR_JOBS: &str = "6";

/// Runs all of it; true when nothing failed.
pub fn run() -> Result<bool> {
    let mut total = Tally::default();
    step("format", &mut total, || command(tree::cargo(&["fmt", "--all", "--check"])))?;
    step("clippy", &mut total, || {
        command(tree::cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--quiet",
            "--",
            "-D",
            "warnings",
        ]))
    })?;
    step("unit tests", &mut total, || tests(Which::AllBut(JOURNEYS), &[]))?;
    step("tidy", &mut total, tidy::check)?;
    step("build", &mut total, || {
        // All of it, as the tests were built: with other features of the same crates everything would be built anew.
        command(tree::cargo(&["build", "--workspace", "--bins", "--quiet", "--locked"]))
    })?;
    let bin = tree::target().join("debug");
    step("vectors", &mut total, || {
        let mut script = replay::script(&bin);
        script.args(["--jobs", VECTOR_JOBS]);
        counted(script)
    })?;
    let peers = debian::unpack(debian::FOR_TESTS);
    let mut packages = PathBuf::new();
    step("packages", &mut total, || {
        packages = deb::for_tests(&bin)?;
        Ok(Tally::PASSED)
    })?;
    step("journeys", &mut total, || journeys(&bin, &peers, &packages))?;
    say(&format!("{} passed, {} failed, {} skipped", total.passed, total.failed, total.skipped));
    Ok(total.failed == 0)
}

/// One step with its time. A step that cannot even start counts as one failure; the others still run.
fn step(name: &str, total: &mut Tally, what: impl FnOnce() -> Result<Tally>) -> Result<()> {
    say(&format!("== {name}"));
    let start = Instant::now();
    let tally = what().unwrap_or_else(|error| {
        say(&format!("{name}: {error:#}"));
        Tally::FAILED
    });
    let seconds = start.elapsed().as_secs_f64();
    say(&format!(
        "-- {name}: {} passed, {} failed, {} skipped, {seconds:.1} s",
        tally.passed, tally.failed, tally.skipped
    ));
    *total += tally;
    Ok(())
}

/// A command that passes or fails as a whole.
fn command(mut command: Command) -> Result<Tally> {
    let status = command.status().context("cannot run it")?;
    Ok(if status.success() { Tally::PASSED } else { Tally::FAILED })
}

/// A command whose output says how many passed; shown as it comes.
fn counted(mut command: Command) -> Result<Tally> {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("cannot run it")?;
    let errors = child.stderr.take().map(|e| std::thread::spawn(move || relay(BufReader::new(e))));
    let mut output = child.stdout.take().map(|o| relay(BufReader::new(o))).unwrap_or_default();
    if let Some(Ok(text)) = errors.map(std::thread::JoinHandle::join) {
        output.push_str(&text);
    }
    let status = child.wait()?;
    let mut tally = Tally::of_output(&output);
    if !status.success() && tally.failed == 0 {
        tally += Tally::FAILED;
    }
    Ok(tally)
}

fn relay(reader: impl BufRead) -> String {
    let mut all = String::new();
    for line in reader.split(b'\n').map_while(std::result::Result::ok) {
        let line = String::from_utf8_lossy(&line);
        say(&line);
        all.push_str(&line);
        all.push('\n');
    }
    all
}

/// The package whose tests run whole programs.
const JOURNEYS: &str = "quail-tests";

/// Which packages' tests are run.
#[derive(Clone, Copy)]
enum Which {
    AllBut(&'static str),
    Only(&'static str),
}

/// Cargo's tests, by nextest where it is installed. With it the whole workspace is built either way, and once.
fn tests(which: Which, environment: &[(&str, &std::ffi::OsStr)]) -> Result<Tally> {
    let has_nextest =
        Command::new("cargo-nextest").arg("--version").output().is_ok_and(|o| o.status.success());
    let mut command = if has_nextest {
        let mut command =
            tree::cargo(&["nextest", "run", "--workspace", "--no-fail-fast", "--no-tests=pass"]);
        command.args(["--status-level", "fail", "--locked", "--filterset"]).arg(match which {
            Which::AllBut(package) => format!("not package({package})"),
            Which::Only(package) => format!("package({package})"),
        });
        command
    } else {
        let mut command = tree::cargo(&["test", "--no-fail-fast", "--quiet", "--locked"]);
        match which {
            Which::AllBut(package) => command.args(["--workspace", "--exclude", package]),
            Which::Only(package) => command.args(["--package", package]),
        };
        command
    };
    command.env("NEXTEST_HIDE_PROGRESS_BAR", "1").env("CARGO_TERM_COLOR", "never");
    for (name, value) in environment {
        command.env(name, value);
    }
    let mut tally = counted(command)?;
    if has_nextest {
        // It calls skipped what the filter leaves out; no test is switched off (tidy sees to that).
        tally.skipped = 0;
    }
    Ok(tally)
}

/// The tests that run whole programs. What one of them cannot do here it writes to a file, line by line: a skip must
/// be seen.
fn journeys(bin: &Path, peers: &Path, packages: &Path) -> Result<Tally> {
    let skips = tree::target().join("skipped-tests");
    std::fs::write(&skips, b"").with_context(|| format!("cannot write {}", skips.display()))?;
    let mut tally = tests(
        Which::Only(JOURNEYS),
        &[
            ("QUAIL_PROGRAMS", bin.as_os_str()),
            ("QUAIL_PEERS", peers.as_os_str()),
            ("QUAIL_PACKAGES", packages.as_os_str()),
            ("QUAIL_SKIPS", skips.as_os_str()),
        ],
    )?;
    let text = std::fs::read_to_string(&skips).unwrap_or_default();
    for line in text.lines() {
        say(&format!("skipped: {line}"));
        tally.skipped += 1;
        tally.passed = tally.passed.saturating_sub(1);
    }
    Ok(tally)
}
