//! What two walks of a journey have noted, side by side.

use crate::known;

/// What was noted, and whether the journey came to its end.
#[derive(Debug, Default)]
pub struct Walked {
    /// Name and text, in order.
    pub notes: Vec<(String, String)>,
    /// Not cut short.
    pub ended: bool,
}

impl Walked {
    /// Everything noted under a name.
    fn all(&self, name: &str) -> String {
        let texts = self.notes.iter().filter(|(n, _)| n == name).map(|(_, text)| text.as_str());
        texts.collect::<Vec<_>>().join("\n")
    }
}

/// What has come out so far.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// Notes that are the same.
    pub same: usize,
    /// Notes that differ as they should.
    pub known: usize,
    /// Notes that differ, or do not, and nobody knows why.
    pub unknown: usize,
    /// Walks that were cut short.
    pub broken: usize,
}

impl Total {
    /// True when there is nothing to explain.
    pub fn is_good(&self) -> bool {
        self.unknown + self.broken == 0
    }

    /// Counts a walk that may have been cut short.
    pub fn count_end(&mut self, name: &str, ended: bool) {
        if !ended {
            println!("CUT SHORT {name}");
            self.broken += 1;
        }
    }

    /// Compares, and says what differs.
    pub fn compare(&mut self, journey: &str, theirs: &Walked, ours: &Walked) {
        self.count_end(&format!("{journey}: the original"), theirs.ended);
        self.count_end(&format!("{journey}: ours"), ours.ended);
        let mut seen: Vec<&String> = Vec::new();
        for (name, _) in theirs.notes.iter().chain(&ours.notes) {
            if seen.contains(&name) {
                continue;
            }
            seen.push(name);
            let (their_text, our_text) = (theirs.all(name), ours.all(name));
            match (their_text == our_text, known::reason(journey, name)) {
                (true, None) => self.same += 1,
                (true, Some((number, _))) => {
                    println!("UNEXPECTEDLY THE SAME {journey}: {name} ({number})");
                    self.unknown += 1;
                }
                (false, Some((number, reason))) => {
                    println!("known {number} {journey}: {name}: {reason}");
                    self.known += 1;
                }
                (false, None) => {
                    println!("DIFFERS {journey}: {name}");
                    for line in changes(&their_text, &our_text) {
                        println!("    {line}");
                    }
                    self.unknown += 1;
                }
            }
        }
    }
}

/// The lines that are not in both: `-` theirs, `+` ours, around the longest text that both have.
fn changes(theirs: &str, ours: &str) -> Vec<String> {
    let (a, b): (Vec<&str>, Vec<&str>) = (theirs.lines().collect(), ours.lines().collect());
    let mut longest = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            longest[i][j] = if a[i] == b[j] {
                longest[i + 1][j + 1] + 1
            } else {
                longest[i + 1][j].max(longest[i][j + 1])
            };
        }
    }
    let (mut i, mut j, mut found) = (0, 0, Vec::new());
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            (i, j) = (i + 1, j + 1);
        } else if j == b.len() || (i < a.len() && longest[i + 1][j] >= longest[i][j + 1]) {
            found.push(format!("- {}", a[i]));
            i += 1;
        } else {
            found.push(format!("+ {}", b[j]));
            j += 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{Total, Walked, changes};

    fn walked(notes: &[(&str, &str)]) -> Walked {
        Walked { notes: notes.iter().map(|(n, t)| ((*n).to_owned(), (*t).to_owned())).collect(), ended: true }
    }

    #[test]
    fn only_what_nobody_can_explain_is_bad() {
        for (journey, theirs, ours, is_good) in [
            ("any", walked(&[("reply", "250")]), walked(&[("reply", "250")]), true),
            ("any", walked(&[("reply", "250")]), walked(&[("reply", "550")]), false),
            ("any", walked(&[("reply", "250")]), walked(&[]), false),
            ("any", walked(&[]), walked(&[("reply", "250")]), false),
            ("line ends", walked(&[("bare LF", "451")]), walked(&[("bare LF", "550")]), true),
            ("line ends", walked(&[("bare LF", "451")]), walked(&[("bare LF", "451")]), false),
            ("any", walked(&[]), Walked::default(), false),
        ] {
            let mut total = Total::default();
            total.compare(journey, &theirs, &ours);
            assert_eq!(total.is_good(), is_good, "{journey} {theirs:?} {ours:?}: {total:?}");
        }
    }

    #[test]
    fn changes_are_shown_without_what_stays() {
        assert_eq!(changes("a\nb\nc", "a\nx\nc\nd"), ["- b", "+ x", "+ d"]);
    }
}
