//! condredirect(1): sends the message on to another address, and ends the delivery, if a program says yes.

use super::Ending;
use super::answer::{Answer, ask};
use super::forward::hand_over;
use crate::environment::Environment;
use queue::door::Door;
use std::io::{self, Read};

const NAME: &str = "condredirect";

/// `newaddress program [ arg ... ]`. `rewind` puts the input, which the program has read, to its beginning.
pub fn run(
    arguments: &[Vec<u8>],
    environment: &Environment,
    input: &mut dyn Read,
    rewind: &mut dyn FnMut() -> io::Result<()>,
    door: &Door,
) -> Ending {
    let (Some(address), Some(command)) = (arguments.get(..1), arguments.get(1..).filter(|c| !c.is_empty()))
    else {
        return Ending::usage(NAME, "condredirect newaddress program [ arg ... ]");
    };
    match ask(NAME, command) {
        Ok(Answer::Yes) => {}
        Ok(Answer::No) => return Ending::silent(0),
        Err(ending) => return ending,
    }
    if let Err(error) = rewind() {
        return Ending::trouble(NAME, "unable to rewind", &error);
    }
    let ending = hand_over(NAME, "SENDER", address, environment, input, door);
    // 99 tells qmail-local that the rest of the .qmail file does not count.
    if ending.exit == 0 { Ending { exit: 99, ..ending } } else { ending }
}
