//! qmail-inject(8) as a function: command line, environment and message in, a message in the queue out.

use crate::author::{Author, Start};
use crate::compose;
use crate::environment::Environment;
use crate::error::InjectError;
use crate::header::{Addresses, Header, before_nul};
use crate::input;
use crate::outlet::{Outlet, ToQueue, ToStream};
use crate::process;
use crate::rewrite::Rewriter;
use crate::settings::Settings;
use address::quote::quoted;
use contracts::getopt::{Opt, Options, complaint};
use control::Control;
use message::token::{lex, unquote};
use queue::door::Door;
use std::io::{BufRead, BufWriter};

/// Where recipients come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Recipients {
    /// `-A`: arguments if there are any, else the header.
    Either,
    /// `-a`
    Arguments,
    /// `-h`
    Header,
    /// `-H`
    Both,
}

/// What the command line asks for.
#[derive(Debug)]
struct Request<'a> {
    recipients: Recipients,
    print: bool,
    sender: Option<Vec<u8>>,
    arguments: &'a [Vec<u8>],
}

/// Makes an [`Outlet`]: for printing, or for queueing.
pub type OpenOutlet<'o> = &'o mut dyn FnMut(Destination) -> Result<Box<dyn Outlet>, InjectError>;

/// What `-n` and `-N` choose between.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Destination {
    /// `-N`
    Queue,
    /// `-n`
    Print,
}

/// Everything that does not change while the program runs.
#[derive(Debug)]
pub struct Surroundings<'a> {
    /// argv\[0\]
    pub program: &'a [u8],
    /// The rest of argv.
    pub arguments: &'a [Vec<u8>],
    /// The environment.
    pub environment: &'a Environment,
    /// Control files.
    pub settings: &'a Settings,
    /// When and as which process we started.
    pub start: Start,
}

/// Runs the program. The outlet is opened only once the whole header has been understood.
pub fn run(
    around: &Surroundings<'_>,
    input: &mut dyn BufRead,
    open: OpenOutlet<'_>,
) -> Result<(), InjectError> {
    let settings = around.settings;
    let rewriter =
        Rewriter::new(&settings.at_default_host, &settings.dot_default_domain, &settings.dot_plus_domain)
            .map_err(|(_, text)| InjectError::UnparsableField(text.to_vec()))?;
    let author = Author::read(around.environment);
    let request = read_command_line(around, &rewriter)?;
    let strategy = match request.recipients {
        Recipients::Either if request.arguments.is_empty() => Recipients::Header,
        Recipients::Either => Recipients::Arguments,
        chosen => chosen,
    };
    let mut arguments = Addresses::default();
    if strategy != Recipients::Header {
        for argument in request.arguments {
            let address = complete(argument, &rewriter)
                .ok_or_else(|| InjectError::UnparsableAddress(argument.clone()))?;
            arguments.push(&address);
        }
    }

    let mut header = Header::default();
    let rest = input::read_header(input, &mut |field| header.field(field, &rewriter, &author))?;
    let sender = match request.sender.as_deref().or(header.return_path()) {
        Some(sender) => sender.to_vec(),
        None => author.sender(around.start, &rewriter)?,
    };
    let sender = before_nul(&sender);
    let none = Addresses::default();
    let from_header = if strategy == Recipients::Arguments { &none } else { header.recipients()? };
    let added = compose::added_fields(&header, &author, &rewriter, settings, around.start)?;

    let mut outlet = open(if request.print { Destination::Print } else { Destination::Queue })?;
    if request.print {
        outlet.put(&[b"Return-Path: <", quoted(sender).as_slice(), b">\n"].concat())?;
    }
    outlet.put(&added)?;
    outlet.put(header.kept())?;
    input::copy_body(input, &rest, &mut |bytes| outlet.put(bytes))?;
    outlet.finish(sender, &[&arguments, from_header])
}

fn read_command_line<'a>(
    around: &Surroundings<'a>,
    rewriter: &Rewriter<'_>,
) -> Result<Request<'a>, InjectError> {
    let mut options = Options::new(around.arguments, b"aAhHnNf:");
    let mut request = Request { recipients: Recipients::Either, print: false, sender: None, arguments: &[] };
    for opt in options.by_ref() {
        match opt {
            Opt::Flag(b'a') => request.recipients = Recipients::Arguments,
            Opt::Flag(b'A') => request.recipients = Recipients::Either,
            Opt::Flag(b'h') => request.recipients = Recipients::Header,
            Opt::Flag(b'H') => request.recipients = Recipients::Both,
            Opt::Flag(b'n') => request.print = true,
            Opt::Flag(b'N') => request.print = false,
            Opt::Value(b'f', address) => {
                let sender = complete(&address, rewriter);
                request.sender = Some(sender.ok_or_else(|| InjectError::UnparsableField(quoted(&address)))?);
            }
            other => {
                return Err(InjectError::Usage(complaint(around.program, &other).unwrap_or_default()));
            }
        }
    }
    request.arguments = options.rest();
    Ok(request)
}

/// An address of the command line: a single one, unquoted, completed like those in a header.
fn complete(address: &[u8], rewriter: &Rewriter<'_>) -> Option<Vec<u8>> {
    let text = quoted(address);
    let mut tokens = lex(&text).ok()?;
    rewriter.rewrite(&mut tokens);
    Some(unquote(&tokens))
}

/// Runs the program with what this process has been given.
pub fn run_in_process() -> Result<(), InjectError> {
    let (program, arguments) = process::command_line();
    let environment = Environment::of_process();
    let home = os::home::home();
    let settings = Settings::read(&Control::at(&home), &environment)?;
    std::env::set_current_dir(&home).map_err(|_| InjectError::NoHome)?;
    let around = Surroundings {
        program: &program,
        arguments: &arguments,
        environment: &environment,
        settings: &settings,
        start: Start::now(),
    };
    let door = Door::from_environment(&home);
    run(&around, &mut process::standard_input(), &mut |destination| {
        Ok(match destination {
            Destination::Queue => Box::new(ToQueue::open(&door)?),
            Destination::Print => Box::new(ToStream(BufWriter::new(std::io::stdout()))),
        })
    })
}

#[cfg(test)]
mod tests;
