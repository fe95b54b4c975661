//! qmail-pw2u(8): makes lines of users/assign from lines of an account file. Logic and tests live in `users::generate`.
#![forbid(unsafe_code)]

use contracts::getopt::{Opt, Options, complaint};
use std::io::{BufWriter, Write};
use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;
use users::generate::{self, Homes, generate};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().map(OsStringExt::into_vec);
    let program = arguments.next().unwrap_or_default();
    let options = match options(&program, &arguments.collect::<Vec<_>>()) {
        Ok(options) => options,
        Err(complaint) => {
            let _ = std::io::stderr().write_all(&complaint);
            return ExitCode::from(100);
        }
    };
    let mut out = BufWriter::new(std::io::stdout().lock());
    match generate(&os::home::home(), options, &mut std::io::stdin().lock(), &mut out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // What is still held back stays unsaid: it is no whole file.
            let _held_back = out.into_parts();
            let _ = writeln!(std::io::stderr(), "qmail-pw2u: fatal: {error}");
            ExitCode::from(111)
        }
    }
}

fn options(program: &[u8], arguments: &[Vec<u8>]) -> Result<generate::Options, Vec<u8>> {
    let mut options = generate::Options::default();
    for opt in Options::new(arguments, b"/ohHuUCc:") {
        match opt {
            Opt::Flag(b'/') => options.dash_slash = true,
            Opt::Flag(b'o') => options.homes = Homes::Owned,
            Opt::Flag(b'h') => options.homes = Homes::Present,
            Opt::Flag(b'H') => options.homes = Homes::Ignored,
            Opt::Flag(b'u') => options.upper_case = true,
            Opt::Flag(b'U') => options.upper_case = false,
            Opt::Flag(b'C') => options.break_character = None,
            Opt::Value(b'c', value) => options.break_character = value.first().copied(),
            bad => return Err(complaint(program, &bad).unwrap_or_default()),
        }
    }
    Ok(options)
}
