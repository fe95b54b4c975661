//! The command line.

use std::path::PathBuf;

/// How to call it.
pub const USAGE: &str = "\
cargo xtask bench [--quick] [--case TEXT] [--rounds N] [--peers postfix,exim,opensmtpd] [--original DIR] [--backlog N]
                  [--image] [--lock FILE]...
    --quick         the two main rows beside Postfix, compared with the baseline; under two minutes
    --case TEXT     only rows whose name holds TEXT; without --quick nothing is written
    --rounds N      runs of each row and server (3; 2 when quick)
    --peers LIST    other servers, separated by commas (postfix,exim,opensmtpd; postfix when quick; none for no other)
    --original DIR  the qmail, netqmail or notqmail that is installed in DIR, too
    --backlog N     that many deferred messages instead of 10000, 100000 and (whole run only) 1000000
    --image         everything on an ext4 of its own with a journal, in a file (as root)
    --lock FILE     hold a lock on FILE while a row is measured, and not between rows: for a machine where others build
    --baseline      with --quick: write the baseline instead of comparing";

/// How many messages wait, in turn; the last only in a whole run, as it takes minutes and gigabytes.
const BACKLOGS: [u64; 3] = [10_000, 100_000, 1_000_000];

/// What is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The short run.
    pub quick: bool,
    /// Only rows that hold this.
    pub case: Option<String>,
    /// Runs of each.
    pub rounds: Option<usize>,
    /// Other servers.
    pub peers: Option<Vec<String>>,
    /// The directory of an installed original.
    pub original: Option<PathBuf>,
    /// How many messages wait.
    pub backlog: Option<u64>,
    /// On a file system in a file; xtask has made it.
    pub image: bool,
    /// Write the baseline.
    pub baseline: bool,
    /// Locked, in this order, while a row is measured.
    pub locks: Vec<PathBuf>,
}

/// Reads the arguments; what is wrong with them, else.
pub fn parse(arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options::default();
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} wants a value"));
        match argument.as_str() {
            "--quick" => options.quick = true,
            "--image" => options.image = true,
            "--baseline" => options.baseline = true,
            "--case" => options.case = Some(value()?),
            "--rounds" => options.rounds = Some(number(&value()?)?),
            "--backlog" => options.backlog = Some(number(&value()?)?),
            "--lock" => options.locks.push(value()?.into()),
            "--original" => options.original = Some(value()?.into()),
            "--peers" => {
                let list = value()?;
                options.peers = Some(list.split(',').filter(|n| !n.is_empty()).map(str::to_owned).collect());
            }
            other => return Err(format!("{other} is not known")),
        }
    }
    Ok(options)
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text} is no number"))
}

impl Options {
    /// How many messages wait, in turn.
    pub fn backlogs(&self) -> Vec<u64> {
        let is_whole = self.case.is_none();
        match self.backlog {
            Some(count) => vec![count],
            None => BACKLOGS.into_iter().take(if is_whole { BACKLOGS.len() } else { 2 }).collect(),
        }
    }

    /// The other servers that are wanted.
    pub fn peers(&self) -> Vec<String> {
        let usual: &[&str] = if self.quick { &["postfix"] } else { &["postfix", "exim", "opensmtpd"] };
        let mut peers = self.peers.clone().unwrap_or_else(|| usual.iter().map(|&p| p.to_owned()).collect());
        peers.retain(|p| p != "none");
        peers
    }

    /// Whether a row of that name is wanted.
    pub fn wants(&self, name: &str) -> bool {
        self.case.as_ref().is_none_or(|text| name.contains(text.as_str()))
    }

    /// The command that asks for the same.
    pub fn command(&self) -> String {
        let mut command = "cargo xtask bench".to_owned();
        for (name, is_given) in [("--quick", self.quick), ("--image", self.image)] {
            if is_given {
                command += &format!(" {name}");
            }
        }
        for (name, value) in [
            ("--case", self.case.clone()),
            ("--rounds", self.rounds.map(|n| n.to_string())),
            ("--peers", self.peers.as_ref().map(|p| p.join(","))),
            // Where it is concerns nobody else.
            ("--original", self.original.as_ref().map(|_| "DIR".to_owned())),
            ("--backlog", self.backlog.map(|n| n.to_string())),
        ] {
            if let Some(value) = value {
                command += &format!(" {name} {value}");
            }
        }
        command
    }

    /// Runs of each row and server.
    pub fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { 2 } else { 3 }).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::{Options, parse};

    fn words(text: &str) -> impl Iterator<Item = String> {
        text.split_whitespace().map(str::to_owned).collect::<Vec<_>>().into_iter()
    }

    #[test]
    fn arguments_are_understood_or_named() {
        let options = parse(words("--quick --rounds 5 --peers exim,postfix")).unwrap();
        assert_eq!((options.quick, options.rounds(), options.peers().len()), (true, 5, 2));
        assert_eq!(parse(words("")).unwrap(), Options::default());
        assert_eq!(parse(words("")).unwrap().backlogs().last(), Some(&1_000_000));
        assert_eq!(parse(words("--case deferred")).unwrap().backlogs().last(), Some(&100_000));
        let options = parse(words("--original /opt/qmail --backlog 7 --peers none")).unwrap();
        assert_eq!((options.backlogs(), options.peers().len()), (vec![7], 0));
        assert_eq!(options.command(), "cargo xtask bench --peers none --original DIR --backlog 7");
        assert_eq!(parse(words("--rounds x")).unwrap_err(), "x is no number");
        assert_eq!(parse(words("--case")).unwrap_err(), "--case wants a value");
        assert_eq!(parse(words("--fast")).unwrap_err(), "--fast is not known");
    }
}
