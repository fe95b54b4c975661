//! preline(1): feeds a program the message as a mailbox has it: `From ` line, Return-Path, Delivered-To, message.

use super::Ending;
use super::feed::Feed;
use crate::environment::Environment;
use contracts::getopt::{Opt, Options, complaint};
use std::io::Read;

const USAGE: &str = "preline cmd [ arg ... ]";

/// `[-frdFRD] cmd [ arg ... ]`; `program` is argv\[0\].
pub fn run(program: &[u8], arguments: &[Vec<u8>], environment: &Environment, input: &mut dyn Read) -> Ending {
    let usage = || Ending::usage("preline", USAGE);
    let lines = ["UFLINE", "RPLINE", "DTLINE"].map(|name| environment.value(name));
    let [Some(from), Some(return_path), Some(delivered_to)] = lines else { return usage() };
    let [mut with_from, mut with_return_path, mut with_delivered_to] = [true; 3];
    let mut options = Options::new(arguments, b"frdFRD");
    for opt in options.by_ref() {
        match opt {
            Opt::Flag(b'f') => with_from = false,
            Opt::Flag(b'F') => with_from = true,
            Opt::Flag(b'r') => with_return_path = false,
            Opt::Flag(b'R') => with_return_path = true,
            Opt::Flag(b'd') => with_delivered_to = false,
            Opt::Flag(b'D') => with_delivered_to = true,
            other => {
                let Ending { exit, text } = usage();
                let complaint = complaint(program, &other).unwrap_or_default();
                return Ending { exit, text: [complaint, text].concat() };
            }
        }
    }
    let command = options.rest();
    if command.is_empty() {
        return usage();
    }
    let chosen = |chosen: bool, line| if chosen { line } else { &b""[..] };
    let head = [
        chosen(with_from, from),
        chosen(with_return_path, return_path),
        chosen(with_delivered_to, delivered_to),
    ]
    .concat();
    Feed { feeder: "preline", head: &head, missing_is_permanent: true, must_read: true }.run(command, input)
}
