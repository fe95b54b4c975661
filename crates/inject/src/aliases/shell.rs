//! Running a command of an alias or a `.forward` file.

use super::instruction::Instruction;
use crate::dotqmail::Ending;
use crate::dotqmail::feed::Feed;
use crate::environment::Environment;
use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

/// Runs them for `program`, each with the message on its standard input, from its beginning. `Err` ends the delivery.
pub(super) fn run_all<'i>(
    program: &str,
    instructions: impl Iterator<Item = &'i Instruction>,
    environment: &Environment,
    input: &mut dyn Read,
    rewind: &mut dyn FnMut() -> io::Result<()>,
) -> Result<(), Ending> {
    for instruction in instructions {
        to_beginning(program, rewind)?;
        run(program, instruction, environment, input)?;
    }
    Ok(())
}

/// Puts the message to its beginning.
pub(super) fn to_beginning(program: &str, rewind: &mut dyn FnMut() -> io::Result<()>) -> Result<(), Ending> {
    rewind().map_err(|error| Ending::trouble(program, "unable to rewind input", &error))
}

fn run(
    program: &str,
    instruction: &Instruction,
    environment: &Environment,
    input: &mut dyn Read,
) -> Result<(), Ending> {
    let (command, exit) = match instruction {
        Instruction::Program(command) => (command, plain(program, command)?),
        Instruction::ProgramWithHead(command) => (command, headed(program, command, environment, input)?),
        Instruction::Forward(_) | Instruction::List(_) => return Ok(()),
    };
    match exit {
        0 => Ok(()),
        // As in qmail-local, for what programs of other mail servers mean by these.
        64 | 65 | 70 | 76..=78 | 100 | 112 => Err(Ending::silent(100)),
        111 => Err(Ending::silent(111)),
        other => {
            let text = [b"exit code ", other.to_string().as_bytes(), b" of ", command.as_slice()].concat();
            Err(Ending::fatal(program, 111, &text))
        }
    }
}

/// On our own standard input.
fn plain(program: &str, command: &[u8]) -> Result<u8, Ending> {
    let ended = Command::new("/bin/sh").arg("-c").arg(OsStr::from_bytes(command)).status();
    let status = ended.map_err(|error| Ending::trouble(program, "unable to run /bin/sh", &error))?;
    match status.code().and_then(|code| u8::try_from(code).ok()) {
        Some(code) => Ok(code),
        None => Err(Ending::fatal(program, 111, &[b"child crashed in ", command].concat())),
    }
}

/// With the three lines that mailboxes have above it.
fn headed(
    program: &str,
    command: &[u8],
    environment: &Environment,
    input: &mut dyn Read,
) -> Result<u8, Ending> {
    let line = |name| environment.value(name).unwrap_or_default();
    let head = [line("UFLINE"), line("RPLINE"), line("DTLINE")].concat();
    let arguments = [b"/bin/sh".as_slice(), b"-c", command].map(<[u8]>::to_vec);
    let ending = Feed { feeder: program, head: &head, missing_is_permanent: false, must_read: false }
        .run(&arguments, input);
    if ending.text.is_empty() { Ok(ending.exit) } else { Err(ending) }
}
