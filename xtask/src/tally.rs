//! Counts of tests, from what test runners print.

use std::ops::AddAssign;

/// What a run of tests came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub passed: u64,
    pub failed: u64,
    pub skipped: u64,
}

impl Tally {
    pub const PASSED: Self = Self { passed: 1, failed: 0, skipped: 0 };
    pub const FAILED: Self = Self { passed: 0, failed: 1, skipped: 0 };

    /// Adds up every summary line in a runner's output: of `cargo test`, of nextest, and of `vectors/run.py`.
    pub fn of_output(output: &str) -> Self {
        let mut total = Self::default();
        for line in output.lines() {
            let is_summary = line.trim_start().starts_with("Summary [")
                || line.starts_with("test result: ")
                || line.starts_with("vectors: ");
            if is_summary {
                total += Self::of_line(line);
            }
        }
        total
    }

    fn of_line(line: &str) -> Self {
        let words: Vec<&str> = line.split([' ', ',', ';', ':', '.']).filter(|w| !w.is_empty()).collect();
        let mut tally = Self::default();
        for pair in words.windows(2) {
            let &[number, what] = pair else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match what {
                "passed" | "known" => tally.passed += number,
                "failed" => tally.failed += number,
                "skipped" | "ignored" => tally.skipped += number,
                // nextest: a test that ran out of time.
                "timed" => tally.failed += number,
                _ => {}
            }
        }
        tally
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[test]
    fn the_summaries_of_all_runners_are_added_up() {
        let output = "\
running 3 tests
test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.02s
     Summary [   0.051s] 7 tests run: 5 passed (1 slow), 1 failed, 1 timed out, 2 skipped
vectors: 10 passed, 1 failed, 4 known, 6 skipped
no summary: 90 passed
";
        assert_eq!(Tally::of_output(output), Tally { passed: 3 + 5 + 14, failed: 3, skipped: 9 });
    }
}
