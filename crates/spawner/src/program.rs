//! Whether a program has a warm form.
//!
//! A wrapper script has none: administrators put one in the place of `bin/qmail-local` or `bin/qmail-remote` and
//! expect one run a delivery. Nor has the original's binary. The first is seen, the second found out by its
//! silence, which is remembered until the file changes, or for a while. A change is seen within a quarter of a second.

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// After this time a silent program is tried again: it may have been out of memory.
const SILENCE_REMEMBERED: Duration = Duration::from_secs(300);

/// A file that was looked at less than this ago is taken to be as it was.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// Device, inode, size, and times of last change: another program has others.
type Mark = (u64, u64, u64, i64, i64, i64);

/// A program file that may be replaced while we run.
#[derive(Debug)]
pub struct Program {
    path: PathBuf,
    known: Option<(Mark, bool)>,
    looked: Option<Instant>,
    silent_since: Option<Instant>,
}

impl Program {
    /// The program at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), known: None, looked: None, silent_since: None }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// True if it is worth starting it as a worker. A missing file says true: starting it gives the error.
    pub fn is_warm(&mut self, now: Instant) -> bool {
        let is_fresh = self.looked.is_some_and(|then| now.saturating_duration_since(then) < LOOK_INTERVAL);
        if is_fresh && self.silent_since.is_none() {
            return self.known.is_some_and(|(_, script)| !script);
        }
        let mark = std::fs::metadata(&self.path)
            .ok()
            .map(|m| (m.dev(), m.ino(), m.size(), m.mtime(), m.mtime_nsec(), m.ctime()));
        let Some(mark) = mark else { return true };
        self.looked = Some(now);
        if self.known.is_none_or(|(known, _)| known != mark) {
            self.known = Some((mark, is_script(&self.path)));
            self.silent_since = None;
        }
        if self.silent_since.is_some_and(|since| now.saturating_duration_since(since) > SILENCE_REMEMBERED) {
            self.silent_since = None;
        }
        self.silent_since.is_none() && self.known.is_none_or(|(_, script)| !script)
    }

    /// It was started as a worker and did not say hello.
    pub fn was_silent(&mut self, now: Instant) {
        self.silent_since = Some(now);
    }
}

fn is_script(path: &Path) -> bool {
    let mut head = [0; 2];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut head));
    read.is_ok() && head == *b"#!"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_has_no_warm_form_until_it_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("qmail-local");
        let mut program = Program::new(&path);
        let now = Instant::now();
        assert!(program.is_warm(now));
        std::fs::write(&path, "#!/bin/sh\n").unwrap();
        assert!(!program.is_warm(now));
        assert!(!program.is_warm(now + LOOK_INTERVAL / 2));
        std::fs::write(dir.path().join("new"), "\x7fELF and so on").unwrap();
        std::fs::rename(dir.path().join("new"), &path).unwrap();
        assert!(program.is_warm(now + LOOK_INTERVAL));
    }

    #[test]
    fn silence_is_remembered_for_a_while() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("qmail-local");
        std::fs::write(&path, "\x7fELF").unwrap();
        let mut program = Program::new(&path);
        let now = Instant::now();
        assert!(program.is_warm(now));
        program.was_silent(now);
        assert!(!program.is_warm(now + Duration::from_secs(299)));
        assert!(program.is_warm(now + Duration::from_secs(301)));
    }
}
