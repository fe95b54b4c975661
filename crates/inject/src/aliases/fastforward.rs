//! fastforward(1): forwards a message as a forwarding database says, from a `.qmail` line.

use super::expansion::{Expansion, expand};
use super::instruction::Instruction;
use super::shell;
use crate::dotqmail::Ending;
use crate::dotqmail::forward::send_on;
use crate::environment::Environment;
use cdb::Cdb;
use contracts::getopt::{Opt, Options, complaint};
use queue::door::Door;
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

const NAME: &str = "fastforward";

/// `[-nNpPdD] cdb`; `rewind` puts the input, which programs read, to its beginning.
pub fn run(
    arguments: &[Vec<u8>],
    environment: &Environment,
    input: &mut dyn Read,
    rewind: &mut dyn FnMut() -> io::Result<()>,
    door: &Door,
    out: &mut dyn Write,
) -> Ending {
    let (mut only_tell, mut pass_through, mut by_default) = (false, false, false);
    let mut options = Options::new(arguments, b"nNpPdD");
    for opt in options.by_ref() {
        match opt {
            Opt::Flag(b'n') => only_tell = true,
            Opt::Flag(b'N') => only_tell = false,
            Opt::Flag(b'p') => pass_through = true,
            Opt::Flag(b'P') => pass_through = false,
            Opt::Flag(b'd') => by_default = true,
            Opt::Flag(b'D') => by_default = false,
            bad => return usage(&complaint(NAME.as_bytes(), &bad).unwrap_or_default()),
        }
    }
    let [database] = options.rest() else { return usage(b"") };
    let recipient = match recipient(environment, by_default) {
        Ok(recipient) => recipient,
        Err(text) => return Ending::fatal(NAME, 100, text),
    };
    let opened = match Cdb::open(Path::new(OsStr::from_bytes(database))) {
        Ok(opened) => opened,
        Err(error) => {
            return Ending::trouble(NAME, &format!("unable to read {}", database.escape_ascii()), &error);
        }
    };
    let expansion = match expand(&opened, &recipient) {
        Ok(Some(expansion)) => expansion,
        Ok(None) if pass_through => return Ending::silent(0),
        Ok(None) => return Ending::saying(100, b"Sorry, no mailbox here by that name. (#5.1.1)"),
        Err(error) => return Ending::fatal(NAME, 111, error.to_string().as_bytes()),
    };
    if only_tell {
        return match tell(&expansion, environment, out) {
            Ok(()) => Ending::silent(0),
            Err(error) => Ending::trouble(NAME, "unable to print", &error),
        };
    }
    let ending = carry_out(&expansion, environment, input, rewind, door).unwrap_or_else(|ending| ending);
    if ending.exit == 0 && pass_through { Ending { exit: 99, ..ending } } else { ending }
}

fn usage(complaint: &[u8]) -> Ending {
    let Ending { exit, text } = Ending::usage(NAME, "fastforward [ -nNpPdD ] data.cdb");
    Ending { exit, text: [complaint, &text].concat() }
}

fn recipient(environment: &Environment, by_default: bool) -> Result<Vec<u8>, &'static [u8]> {
    if !by_default {
        return environment.value("RECIPIENT").map(<[u8]>::to_vec).ok_or(b"$RECIPIENT must be set");
    }
    let local = environment.first(&["DEFAULT", "EXT"]).ok_or(b"$DEFAULT or $EXT must be set".as_slice())?;
    let host = environment.value("HOST").ok_or(b"$HOST must be set".as_slice())?;
    Ok([local, b"@", host].concat())
}

/// Who sends what is forwarded: the owner, but bounces stay bounces.
fn sender<'a>(expansion: &'a Expansion, environment: &'a Environment) -> Option<&'a [u8]> {
    let original = environment.value("SENDER");
    match (&expansion.owner, original) {
        (_, Some(b"" | b"#@[]")) | (None, _) => original,
        (Some(owner), _) => Some(owner),
    }
}

fn tell(expansion: &Expansion, environment: &Environment, out: &mut dyn Write) -> io::Result<()> {
    for program in &expansion.programs {
        out.write_all(&[b"run ".as_slice(), &program.text(), b"\n"].concat())?;
    }
    if expansion.recipients.is_empty() {
        return out.write_all(b"no forwarding\n");
    }
    match sender(expansion, environment) {
        Some(sender) => out.write_all(&[b"from <".as_slice(), sender, b">\n"].concat())?,
        None => out.write_all(b"from original envelope sender\n")?,
    }
    for recipient in &expansion.recipients {
        out.write_all(&[b"to <".as_slice(), recipient, b">\n"].concat())?;
    }
    out.flush()
}

/// Programs first, which may fail; what is forwarded cannot be taken back.
fn carry_out(
    expansion: &Expansion,
    environment: &Environment,
    input: &mut dyn Read,
    rewind: &mut dyn FnMut() -> io::Result<()>,
    door: &Door,
) -> Result<Ending, Ending> {
    let programs = expansion.programs.iter().filter(|program| !matches!(program, Instruction::Forward(_)));
    shell::run_all(NAME, programs, environment, input, rewind)?;
    if expansion.recipients.is_empty() {
        return Ok(Ending::silent(0));
    }
    let Some(sender) = sender(expansion, environment) else {
        return Err(Ending::fatal(NAME, 100, b"$SENDER must be set"));
    };
    shell::to_beginning(NAME, rewind)?;
    Ok(send_on(NAME, sender, &expansion.recipients, environment, input, door))
}
