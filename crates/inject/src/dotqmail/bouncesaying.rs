//! bouncesaying(1): bounces the message with a text, if there is no program or if the program says yes.

use super::Ending;
use super::answer::{Answer, ask};

/// `error [ program [ arg ... ] ]`
pub fn run(arguments: &[Vec<u8>]) -> Ending {
    let Some((text, command)) = arguments.split_first() else {
        return Ending::usage("bouncesaying", "bouncesaying error [ program [ arg ... ] ]");
    };
    match if command.is_empty() { Ok(Answer::Yes) } else { ask("bouncesaying", command) } {
        Ok(Answer::Yes) => Ending::saying(100, text),
        Ok(Answer::No) => Ending::silent(0),
        Err(ending) => ending,
    }
}
