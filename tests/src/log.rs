//! What a program says, line by line, as it says it. Waiting for a line is waiting for the program, not for a clock.

use crate::place::PATIENCE;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

#[derive(Debug, Default)]
struct Said {
    lines: Vec<String>,
    ended: bool,
}

/// A growing list of lines.
#[derive(Clone, Debug, Default)]
pub struct Log {
    said: Arc<(Mutex<Said>, Condvar)>,
}

impl Log {
    /// Follows a stream to its end, on a thread of its own.
    pub fn follow(&self, stream: impl Read + Send + 'static) {
        let log = self.clone();
        log.said.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).ended = false;
        std::thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                log.add(String::from_utf8_lossy(&line).into_owned());
            }
            log.said.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).ended = true;
            log.said.1.notify_all();
        });
    }

    fn add(&self, line: String) {
        self.said.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).lines.push(line);
        self.said.1.notify_all();
    }

    /// All lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.said.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).lines.clone()
    }

    /// How many lines hold this text.
    pub fn count(&self, text: &str) -> usize {
        self.lines().iter().filter(|l| l.contains(text)).count()
    }

    /// Waits until `count` lines hold this text; gives the last of them.
    #[track_caller]
    pub fn wait_count(&self, text: &str, count: usize) -> String {
        let end = Instant::now() + PATIENCE;
        let mut said = self.said.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        loop {
            let mut hits = said.lines.iter().filter(|l| l.contains(text));
            if let Some(line) = count.checked_sub(1).and_then(|n| hits.nth(n)) {
                return line.clone();
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || said.ended {
                let tail: Vec<_> = said.lines.iter().rev().take(40).rev().cloned().collect();
                let why = if said.ended { "the program ended" } else { "time is up" };
                panic!("{why}, waiting for {count} lines with {text:?}; the log's end:\n{}", tail.join("\n"));
            }
            said = self.said.1.wait_timeout(said, left).unwrap().0;
        }
    }

    /// Waits for one line with this text.
    #[track_caller]
    pub fn wait(&self, text: &str) -> String {
        self.wait_count(text, 1)
    }
}
