//! Where things are, and what to do where they are not.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The directory with the programs under test: `QUAIL_PROGRAMS`, else where cargo put this test's own build.
pub fn programs() -> PathBuf {
    if let Some(path) = std::env::var_os("QUAIL_PROGRAMS") {
        return path.into();
    }
    // target/debug/deps/journeys-0123 lies two below target/debug.
    let own = std::env::current_exe().expect("a test has a file");
    own.ancestors().nth(2).expect("cargo's layout").to_path_buf()
}

/// The programs a world needs. A test run by hand may find them not built.
pub fn programs_are_built() -> bool {
    ["quail-start", "qmail-smtpd", "qmail-send", "qmail-local"].iter().all(|p| programs().join(p).exists())
}

/// The tree of an unpacked package, or `None`: then the test is to [`skip`].
pub fn package(name: &str) -> Option<PathBuf> {
    let root = match std::env::var_os("QUAIL_PEERS") {
        Some(path) => PathBuf::from(path),
        None => programs().parent()?.join("peers"),
    }
    .join(name);
    root.join(".complete").exists().then_some(root)
}

/// A program: of an unpacked package, else installed.
pub fn program_of(package_name: &str, program: &str) -> Option<PathBuf> {
    let places = ["usr/sbin", "usr/bin", "sbin", "bin"];
    let unpacked = package(package_name)
        .and_then(|root| places.iter().map(|p| root.join(p).join(program)).find(|path| path.exists()));
    unpacked
        .or_else(|| places.iter().map(|p| Path::new("/").join(p).join(program)).find(|path| path.exists()))
}

/// Says aloud that a test is not run here. The runner counts what is written to `QUAIL_SKIPS`.
pub fn skip(why: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    eprintln!("SKIPPED {test}: {why}");
    if let Some(path) = std::env::var_os("QUAIL_SKIPS") {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
        file.and_then(|mut f| f.write_all(format!("{test}: {why}\n").as_bytes())).expect("the list of skips");
    }
}

/// True when run by root.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Waits until it is so; says what did not come true otherwise. For what tells nobody when it happens; a log is
/// waited for with [`crate::Log`].
#[track_caller]
pub fn deadline(what: &str, mut so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < end, "in {PATIENCE:?} this did not come true: {what}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}
