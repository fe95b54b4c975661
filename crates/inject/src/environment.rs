//! The environment as a value, so that what a program makes of it can be tested.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStringExt;

/// Variables and their values, as bytes.
#[derive(Clone, Default, Debug)]
pub struct Environment(BTreeMap<Vec<u8>, Vec<u8>>);

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Self {
        std::env::vars_os().map(|(name, value)| (name.into_vec(), value.into_vec())).collect()
    }

    /// A variable's value; an empty one is set.
    pub fn value(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name.as_bytes()).map(Vec::as_slice)
    }

    /// The value of the first of these that is set.
    pub fn first(&self, names: &[&str]) -> Option<&[u8]> {
        names.iter().find_map(|name| self.value(name))
    }

    /// Sets a variable.
    pub fn set(&mut self, name: &str, value: &[u8]) {
        self.0.insert(name.into(), value.into());
    }

    /// Removes a variable.
    pub fn remove(&mut self, name: &str) {
        self.0.remove(name.as_bytes());
    }

    /// All of it.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_slice(), value.as_slice()))
    }
}

impl FromIterator<(Vec<u8>, Vec<u8>)> for Environment {
    fn from_iter<I: IntoIterator<Item = (Vec<u8>, Vec<u8>)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}
