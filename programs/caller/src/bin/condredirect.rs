//! condredirect(1): sends a message on to another address if a program says so, from a .qmail line.
//!
//! Runs as the recipient. Logic and tests live in `inject::dotqmail`.
#![forbid(unsafe_code)]

use inject::dotqmail::condredirect;
use inject::{environment::Environment, process};
use queue::door::Door;
use std::process::ExitCode;

fn main() -> ExitCode {
    let (_, arguments) = process::command_line();
    let door = Door::from_environment(&os::home::home());
    let mut input = process::standard_input();
    condredirect::run(&arguments, &Environment::of_process(), &mut input, &mut process::rewind_input, &door)
        .conclude()
}
