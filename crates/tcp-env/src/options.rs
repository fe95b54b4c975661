//! `tcp-env [-rR] [-tSECONDS] PROGRAM [ARGUMENT ...]`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

/// How long an ident server may take unless told otherwise.
pub const IDENT_TIME: Duration = Duration::from_secs(30);

/// The command line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// Ask the other host who its user is, and wait that long.
    pub ident_time: Option<Duration>,
    /// What to become.
    pub program: OsString,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

impl Options {
    /// Reads the arguments after our own name; `None` if they are wrong.
    pub fn parse(mut arguments: impl Iterator<Item = OsString>) -> Option<Self> {
        let (mut ident, mut time) = (false, IDENT_TIME);
        loop {
            let argument = arguments.next()?;
            let bytes = argument.as_bytes();
            if bytes == b"--" {
                let program = arguments.next()?;
                return Some(Self::with(ident.then_some(time), program, arguments));
            }
            let Some(mut letters) = bytes.strip_prefix(b"-").filter(|letters| !letters.is_empty()) else {
                return Some(Self::with(ident.then_some(time), argument, arguments));
            };
            while let Some((letter, rest)) = letters.split_first() {
                letters = rest;
                match letter {
                    b'r' => ident = true,
                    b'R' => ident = false,
                    b't' => {
                        let value = if rest.is_empty() { arguments.next()? } else { os_string(rest) };
                        time = Duration::from_secs(value.to_str()?.parse().ok()?);
                        letters = &[];
                    }
                    _ => return None,
                }
            }
        }
    }

    fn with(ident_time: Option<Duration>, program: OsString, rest: impl Iterator<Item = OsString>) -> Self {
        Self { ident_time, program, arguments: rest.collect() }
    }
}

fn os_string(bytes: &[u8]) -> OsString {
    std::ffi::OsStr::from_bytes(bytes).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(arguments: &[&str]) -> Option<(Option<u64>, String, usize)> {
        let options = Options::parse(arguments.iter().map(OsString::from))?;
        let seconds = options.ident_time.map(|time| time.as_secs());
        Some((seconds, options.program.into_string().unwrap(), options.arguments.len()))
    }

    #[test]
    fn command_lines() {
        let sh = || "sh".to_owned();
        type Case<'a> = (&'a [&'a str], Option<(Option<u64>, String, usize)>);
        let table: &[Case<'_>] = &[
            (&["sh"], Some((None, sh(), 0))),
            (&["-r", "sh", "-c", "x"], Some((Some(30), sh(), 2))),
            (&["-rt5", "sh"], Some((Some(5), sh(), 0))),
            (&["-r", "-t", "5", "sh", "-r"], Some((Some(5), sh(), 1))),
            (&["-r", "-R", "sh"], Some((None, sh(), 0))),
            (&["--", "sh"], Some((None, sh(), 0))),
            (&["-R"], None),
            (&["-x", "sh"], None),
            (&["-tx", "sh"], None),
            (&["-t"], None),
            (&[], None),
        ];
        for (arguments, wanted) in table {
            assert_eq!(parse(arguments), *wanted, "{arguments:?}");
        }
    }

    proptest! {
        #[test]
        fn any_command_line_is_an_answer(arguments: Vec<String>) {
            let _ = Options::parse(arguments.into_iter().map(OsString::from));
        }
    }
}
