//! What setup has done, as a shell script that takes it back, newest step first: `setup/undo` in the installation.

use super::step::{Step, write_whole};
use crate::place::Place;
use anyhow::Result;

const HEAD: &str = "#!/bin/sh
# Takes back what `quail setup` has done, the last step first. Directories with something in them stay: mail in
# the queue, control files and aliases that somebody has changed since. Stop the mail system before you run it.
";

/// The script, growing.
#[derive(Debug)]
pub struct Record {
    place: Place,
    commands: Vec<String>,
}

impl Record {
    /// With what earlier runs have written down.
    pub fn open(place: &Place) -> Self {
        let text = std::fs::read_to_string(place.at("setup/undo")).unwrap_or_default();
        let commands = text.lines().filter(|l| !l.starts_with('#') && !l.is_empty()).rev().map(str::to_owned);
        Self { place: place.clone(), commands: commands.collect() }
    }

    /// Writes a step down, before it is taken: what is taken back without need does nothing.
    pub fn add(&mut self, step: &Step) -> Result<()> {
        let Some(undo) = &step.undo else { return Ok(()) };
        self.commands.push(undo.clone());
        // The first steps make the accounts and the home; they are kept in mind until there is a place.
        if self.place.home.is_dir() { self.write() } else { Ok(()) }
    }

    /// Writes the script.
    pub fn write(&self) -> Result<()> {
        let directory = self.place.at("setup");
        if !directory.is_dir() {
            std::fs::create_dir(&directory)?;
            super::step::set_mode(&directory, 0o700)?;
        }
        let mut text = HEAD.to_owned();
        for command in self.commands.iter().rev() {
            text.push_str(command);
            text.push('\n');
        }
        write_whole(&directory.join("undo"), text.as_bytes(), 0o700)
    }
}
