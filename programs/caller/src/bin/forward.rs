//! forward(1): sends a message on to other addresses, from a .qmail line.
//!
//! Runs as the recipient. Logic and tests live in `inject::forward`.
#![forbid(unsafe_code)]

use inject::{environment::Environment, forward, process};
use queue::door::Door;
use std::process::ExitCode;

fn main() -> ExitCode {
    let (_, recipients) = process::command_line();
    let door = Door::from_environment(&os::home::home());
    let ending = forward::run(&recipients, &Environment::of_process(), &mut process::standard_input(), &door);
    process::say(&ending.text);
    ExitCode::from(ending.exit)
}
