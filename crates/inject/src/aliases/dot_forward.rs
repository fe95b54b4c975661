//! dot-forward(1): does what a `.forward` file says, from a `.qmail` line.

use super::entry::{self, Entry, single_address};
use super::instruction::Instruction;
use super::{Completion, items, replace, shell};
use crate::dotqmail::Ending;
use crate::dotqmail::forward::send_on;
use crate::environment::Environment;
use contracts::getopt::{Opt, Options, complaint};
use message::token::unquote;
use queue::door::Door;
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;

const NAME: &str = "dot-forward";

/// What a file says.
#[derive(Default, PartialEq, Eq, Debug)]
struct Wishes {
    /// The next lines of `.qmail` count, too.
    direct: bool,
    programs: Vec<Vec<u8>>,
    recipients: Vec<Vec<u8>>,
}

/// `[-nN] file ...`: the first file that exists and is not empty counts; without any the next lines of `.qmail` do.
pub fn run(
    arguments: &[Vec<u8>],
    environment: &Environment,
    completion: Result<Completion, String>,
    input: &mut dyn Read,
    rewind: &mut dyn FnMut() -> io::Result<()>,
    door: &Door,
    out: &mut dyn Write,
) -> Ending {
    let mut only_tell = false;
    let mut options = Options::new(arguments, b"nN");
    for opt in options.by_ref() {
        match opt {
            Opt::Flag(b'n') => only_tell = true,
            Opt::Flag(b'N') => only_tell = false,
            bad => {
                let Ending { exit, text } = Ending::usage(NAME, "dot-forward [ -nN ] file ...");
                return Ending {
                    exit,
                    text: [complaint(NAME.as_bytes(), &bad).unwrap_or_default(), text].concat(),
                };
            }
        }
    }
    let wishes = completion
        .map_err(|text| Ending::fatal(NAME, 111, text.as_bytes()))
        .and_then(|completion| wishes(options.rest(), environment, &completion));
    match wishes {
        Err(ending) => ending,
        Ok(wishes) if only_tell => match tell(&wishes, out) {
            Ok(()) => Ending::silent(if wishes.direct { 0 } else { 99 }),
            Err(error) => Ending::trouble(NAME, "unable to print", &error),
        },
        Ok(wishes) => carry_out(&wishes, environment, input, rewind, door).unwrap_or_else(|ending| ending),
    }
}

fn wishes(files: &[Vec<u8>], environment: &Environment, completion: &Completion) -> Result<Wishes, Ending> {
    for file in files {
        let text = match std::fs::File::open(OsStr::from_bytes(file)).and_then(replace::text) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => {
                return Err(Ending::trouble(
                    NAME,
                    &format!("unable to read {}", file.escape_ascii()),
                    &error,
                ));
            }
        };
        let wishes = read(&text, environment, completion)
            .map_err(|text| Ending::fatal(NAME, 111, &[file.as_slice(), b" ", text.as_bytes()].concat()))?;
        if wishes != Wishes::default() {
            return Ok(wishes);
        }
    }
    Ok(Wishes { direct: true, ..Wishes::default() })
}

/// A `.forward` file. The error names the line.
fn read(text: &[u8], environment: &Environment, completion: &Completion) -> Result<Wishes, String> {
    let rewriter = completion.rewriter()?;
    let mut wishes = Wishes::default();
    for (number, line) in (1..).zip(text.split(|&b| b == b'\n')) {
        if line.starts_with(b"#") {
            continue;
        }
        let wrong = |text: &[u8], why: &str| format!("line {number}: \"{}\": {why}", text.escape_ascii());
        let items =
            items(line).ok_or_else(|| wrong(line, "a quotation, a comment or a bracket without an end"))?;
        for item in items {
            match entry::read(item, &rewriter).map_err(|why| wrong(item, &why.to_string()))? {
                Some(Entry::Address(_)) if is_owner(item, environment) => wishes.direct = true,
                Some(Entry::Address(address)) => {
                    if is_full_owner(&address, environment) {
                        wishes.direct = true;
                    } else if !wishes.recipients.contains(&address) {
                        wishes.recipients.push(address);
                    }
                }
                Some(Entry::Program(command)) => wishes.programs.push(command),
                // Thrown away, as everywhere.
                Some(Entry::File(file)) if file == b"/dev/null" => wishes.programs.push(b"exit 0".to_vec()),
                Some(Entry::File(_)) => {
                    return Err(wrong(item, "file delivery is not supported: name the file in .qmail"));
                }
                Some(Entry::Include(_)) => {
                    return Err(wrong(item, ":include: is not supported in a .forward file"));
                }
                None => {}
            }
        }
    }
    Ok(wishes)
}

/// `joe` and `\joe` are the user himself.
fn is_owner(item: &[u8], environment: &Environment) -> bool {
    let item = item.trim_ascii();
    let tokens = single_address(item.strip_prefix(b"\\").unwrap_or(item)).unwrap_or_default();
    environment.value("USER").is_some_and(|user| unquote(&tokens).eq_ignore_ascii_case(user))
}

/// `joe@this.host` is, too.
fn is_full_owner(address: &[u8], environment: &Environment) -> bool {
    let (Some(user), Some(host)) = (environment.value("USER"), environment.value("HOST")) else {
        return false;
    };
    address.eq_ignore_ascii_case(&[user, b"@", host].concat())
}

fn tell(wishes: &Wishes, out: &mut dyn Write) -> io::Result<()> {
    let mut line = |before: &str, text: &[u8]| out.write_all(&[before.as_bytes(), text, b"\n"].concat());
    for command in &wishes.programs {
        line("pipe through ", command)?;
    }
    for recipient in &wishes.recipients {
        line("forward ", recipient)?;
    }
    if wishes.direct {
        line("direct delivery", b"")?;
    }
    out.flush()
}

/// Programs first, which may fail; what is forwarded cannot be taken back.
fn carry_out(
    wishes: &Wishes,
    environment: &Environment,
    input: &mut dyn Read,
    rewind: &mut dyn FnMut() -> io::Result<()>,
    door: &Door,
) -> Result<Ending, Ending> {
    let programs: Vec<_> = wishes.programs.iter().cloned().map(Instruction::ProgramWithHead).collect();
    shell::run_all(NAME, programs.iter(), environment, input, rewind)?;
    // qmail-local gives the message to the next line from its beginning.
    let exit = if wishes.direct { 0 } else { 99 };
    if wishes.recipients.is_empty() {
        return Ok(Ending::silent(exit));
    }
    let Some(sender) = environment.first(&["NEWSENDER", "SENDER"]) else {
        return Err(Ending::fatal(NAME, 100, b"NEWSENDER not set"));
    };
    shell::to_beginning(NAME, rewind)?;
    let ending = send_on(NAME, sender, &wishes.recipients, environment, input, door);
    Ok(if ending.exit == 0 { Ending { exit, ..ending } } else { ending })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_as_joe(text: &str) -> Result<String, String> {
        let environment = [("USER", "joe"), ("HOST", "h.example")]
            .into_iter()
            .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
            .collect();
        let mut out = Vec::new();
        tell(&read(text.as_bytes(), &environment, &Completion::of("me.example"))?, &mut out).unwrap();
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_forward_file_says_what_is_to_be_done() {
        for (text, expected) in [
            ("joe\n", "direct delivery\n"),
            ("\\joe, \"|vacation joe\"\n", "pipe through vacation joe\ndirect delivery\n"),
            ("JOE@h.example, x\n", "forward x@me.example\ndirect delivery\n"),
            ("x@y.z\nAnn <ann@y.z>, x@y.z (twice)\n", "forward x@y.z\nforward ann@y.z\n"),
            ("joe@me.example\n", "forward joe@me.example\n"),
            ("|exit 99 # x\n", "pipe through exit 99 # x\n"),
            (
                "\"|IFS=' ' && exec /usr/bin/procmail -f- || exit 75 #joe\"\n",
                "pipe through IFS=' ' && exec /usr/bin/procmail -f- || exit 75 #joe\n",
            ),
            ("/dev/null\n", "pipe through exit 0\n"),
            ("# nothing\n\n", ""),
        ] {
            assert_eq!(read_as_joe(text).as_deref(), Ok(expected), "{text}");
        }
        for wrong in ["x\n/var/mail/joe\n", "x\n:include:/etc/list\n", "x\na b\n", "x\n\"\n"] {
            assert!(read_as_joe(wrong).unwrap_err().starts_with("line 2: "), "{wrong}");
        }
    }
}
