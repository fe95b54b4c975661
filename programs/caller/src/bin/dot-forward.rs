//! dot-forward(1): does what a .forward file says, from a .qmail line.
//!
//! Runs as the recipient. Logic and tests live in `inject::aliases`.
#![forbid(unsafe_code)]

use inject::aliases::{Completion, dot_forward};
use inject::{environment::Environment, process};
use queue::door::Door;
use std::process::ExitCode;

fn main() -> ExitCode {
    let (_, arguments) = process::command_line();
    let home = os::home::home();
    dot_forward::run(
        &arguments,
        &Environment::of_process(),
        Completion::read(&control::Control::at(&home)),
        &mut process::standard_input(),
        &mut process::rewind_input,
        &Door::from_environment(&home),
        &mut std::io::stderr(),
    )
    .conclude()
}
