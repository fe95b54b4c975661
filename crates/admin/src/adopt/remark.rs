//! What is said about an installed qmail.

/// What becomes of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// What this is.
    Found,
    /// Goes on as it is.
    Honoured,
    /// Goes on, not quite as it is.
    Differs,
    /// No program of ours reads it, and nothing stops working.
    Ignored,
    /// In use now, and not there afterwards.
    Lost,
    /// Must be out of the way first.
    Blocks,
}

/// In the order of telling, with their titles.
pub const STANDINGS: [(Standing, &str); 6] = [
    (Standing::Found, "What is here"),
    (Standing::Honoured, "Goes on as it is"),
    (Standing::Differs, "Will be a little different"),
    (Standing::Ignored, "Is not read, and why"),
    (Standing::Lost, "Is in use and would be missing"),
    (Standing::Blocks, "Blocks"),
];

/// One thing and what becomes of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Remark {
    /// What becomes of it.
    pub standing: Standing,
    /// What it is; a path where it is one.
    pub about: String,
    /// The rest of the sentence.
    pub words: String,
}

impl Remark {
    /// A remark.
    pub fn new(standing: Standing, about: impl Into<String>, words: impl Into<String>) -> Self {
        Self { standing, about: about.into(), words: words.into() }
    }
}
