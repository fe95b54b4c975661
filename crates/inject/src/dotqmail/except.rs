//! except(1): succeeds where a program fails, and bounces where it succeeds.

use super::Ending;
use super::answer::{Answer, ask};

/// `program [ arg ... ]`
pub fn run(command: &[Vec<u8>]) -> Ending {
    if command.is_empty() {
        return Ending::usage("except", "except program [ arg ... ]");
    }
    match ask("except", command) {
        Ok(Answer::Yes) => Ending::silent(100),
        Ok(Answer::No) => Ending::silent(0),
        Err(ending) => ending,
    }
}
