//! `tcprules` and `tcprules.cdb` in a control directory, read again when they change.
//!
//! The text comes first: what it has no rule for is looked for in the database. A text with a wrong line is not used;
//! the rules that were in force stay.

use crate::database::DatabaseRules;
use crate::key::Question;
use crate::rule::Rule;
use crate::text::TextRules;
use cdb::ReadError;
use std::fmt::Write;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The longest text.
const TEXT_MAX_BYTES: u64 = 64 << 20;

/// How many wrong lines are told at once.
const TOLD_LINES: usize = 10;

/// Why rules cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// The file cannot be read.
    #[error("unable to read {}: {source}", .file.display())]
    Unreadable {
        /// Its path.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file has wrong lines.
    #[error("{}", lines)]
    Wrong {
        /// `FILE: line N: WHAT`, each.
        lines: String,
    },
}

/// What tells one state of a file from another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Stamp {
    place: (u64, u64),
    size: u64,
    changed: (i64, i64),
}

impl Stamp {
    fn of(about: &Metadata) -> Self {
        Self {
            place: (about.dev(), about.ino()),
            size: about.len(),
            changed: (about.mtime(), about.mtime_nsec()),
        }
    }
}

/// A file, as it was read last.
#[derive(Debug)]
struct Watched<T> {
    path: PathBuf,
    stamp: Option<Stamp>,
    content: Option<T>,
}

impl<T> Watched<T> {
    fn at(path: PathBuf) -> Self {
        Self { path, stamp: None, content: None }
    }

    /// Reads it if it is not what it was: whether anything changed. What cannot be used is not looked at again before
    /// it changes once more.
    fn refresh(&mut self, read: impl FnOnce(&Path) -> Result<T, RulesError>) -> Result<bool, RulesError> {
        let stamp = match fs::metadata(&self.path) {
            Ok(about) => Some(Stamp::of(&about)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => return Err(RulesError::Unreadable { file: self.path.clone(), source }),
        };
        if stamp == self.stamp {
            return Ok(false);
        }
        self.stamp = stamp;
        self.content = match stamp {
            Some(_) => Some(read(&self.path)?),
            None => None,
        };
        Ok(true)
    }
}

/// The rules of a control directory.
#[derive(Debug)]
pub struct Rules {
    text: Watched<TextRules>,
    database: Watched<DatabaseRules>,
}

impl Rules {
    /// Reads what is there. Nothing there is no error: everybody may connect.
    pub fn open(control: &Path) -> Result<Self, RulesError> {
        let text = Watched::at(control.join("tcprules"));
        let mut rules = Self { text, database: Watched::at(control.join("tcprules.cdb")) };
        rules.text.refresh(read_text)?;
        rules.database.refresh(read_database)?;
        Ok(rules)
    }

    /// Reads again what changed: the files concerned, or why they are not used.
    pub fn refresh(&mut self) -> Vec<Result<PathBuf, RulesError>> {
        let text = self.text.refresh(read_text).map(|changed| changed.then(|| self.text.path.clone()));
        let database = self.database.refresh(read_database);
        let database = database.map(|changed| changed.then(|| self.database.path.clone()));
        [text, database].into_iter().filter_map(Result::transpose).collect()
    }

    /// The rule for a client; `None` if there is none, which allows.
    pub fn find(&self, question: Question<'_>) -> Result<Option<Rule>, ReadError> {
        let in_text = self.text.content.as_ref().and_then(|rules| rules.find(question));
        match (in_text, &self.database.content) {
            (Some(rule), _) => Ok(Some(rule.clone())),
            (None, Some(database)) => database.find(question),
            (None, None) => Ok(None),
        }
    }

    /// True if there are none at all.
    pub fn are_none(&self) -> bool {
        self.text.content.is_none() && self.database.content.is_none()
    }

    /// True if the name of a client may matter.
    pub fn ask_for_names(&self) -> bool {
        self.text.content.as_ref().is_some_and(|rules| rules.ask_for_names())
            || self.database.content.as_ref().is_some_and(|rules| rules.ask_for_names())
    }
}

fn read_text(file: &Path) -> Result<TextRules, RulesError> {
    let unreadable = |source| RulesError::Unreadable { file: file.to_owned(), source };
    if fs::metadata(file).map_err(unreadable)?.len() > TEXT_MAX_BYTES {
        return Err(unreadable(io::ErrorKind::FileTooLarge.into()));
    }
    TextRules::parse(&fs::read(file).map_err(unreadable)?).map_err(|wrong| {
        let mut lines = String::new();
        for line in wrong.iter().take(TOLD_LINES) {
            let between = if lines.is_empty() { "" } else { "; " };
            let _ = write!(lines, "{between}{}: {line}", file.display());
        }
        RulesError::Wrong { lines }
    })
}

fn read_database(file: &Path) -> Result<DatabaseRules, RulesError> {
    DatabaseRules::open(file).map_err(|source| RulesError::Unreadable { file: file.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denies(rules: &Rules) -> bool {
        let question = Question { address: "192.0.2.7".parse().unwrap(), host: None, info: None };
        rules.find(question).unwrap().is_some_and(|rule| rule.denies)
    }

    #[test]
    fn files_are_read_again_when_they_change() {
        let control = tempfile::tempdir().unwrap();
        let file = control.path().join("tcprules");
        let mut rules = Rules::open(control.path()).unwrap();
        assert!(rules.are_none() && !denies(&rules) && rules.refresh().is_empty());
        fs::write(&file, "192.:deny\n").unwrap();
        assert_eq!(rules.refresh().len(), 1);
        assert!(denies(&rules) && rules.refresh().is_empty());
        fs::write(&file, "192.:deny\nnonsense:\n").unwrap();
        let told = rules.refresh();
        let Some(Err(error)) = told.first() else { panic!("{told:?}") };
        let wanted = format!("{}: line 2: ", file.display());
        assert!(error.to_string().starts_with(&wanted), "{error}");
        assert!(denies(&rules), "the old rules stay in force");
        assert!(rules.refresh().is_empty(), "it is said once");
        fs::remove_file(&file).unwrap();
        assert_eq!(rules.refresh().len(), 1);
        assert!(!denies(&rules));
        fs::write(&file, "x:\n").unwrap();
        assert!(Rules::open(control.path()).is_err());
    }
}
