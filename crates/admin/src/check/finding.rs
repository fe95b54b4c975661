//! One thing that is not as it should be.

use std::fmt;
use std::path::Path;

/// Whether mail suffers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Weight {
    /// To be mended: mail is lost, refused, exposed, or will be.
    Fault,
    /// To be known; it may be meant so.
    Note,
}

/// What is wrong, where, and what mends it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// How bad.
    pub weight: Weight,
    /// Where.
    pub path: String,
    /// What it is.
    pub is: String,
    /// What it should be.
    pub should: String,
    /// What mends it: a shell command, or words in brackets.
    pub mend: String,
}

impl Finding {
    /// Something to mend.
    pub fn fault(
        path: &Path,
        is: impl Into<String>,
        should: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self::new(Weight::Fault, path, is, should, mend)
    }

    /// Something to know.
    pub fn note(
        path: &Path,
        is: impl Into<String>,
        should: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self::new(Weight::Note, path, is, should, mend)
    }

    fn new(
        weight: Weight,
        path: &Path,
        is: impl Into<String>,
        should: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        let (is, should, mend) = (is.into(), should.into(), mend.into());
        Self { weight, path: path.display().to_string(), is, should, mend }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.weight {
            Weight::Fault => "",
            Weight::Note => "note: ",
        };
        write!(f, "{mark}{}: {}; should be {}; {}", self.path, self.is, self.should, self.mend)
    }
}
