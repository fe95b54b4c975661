//! forward(1): sends a message on to other addresses, from a .qmail line.
//!
//! Runs as the recipient. Logic and tests live in `inject::dotqmail`.
#![forbid(unsafe_code)]

use inject::dotqmail::forward;
use inject::{environment::Environment, process};
use queue::door::Door;
use std::process::ExitCode;

fn main() -> ExitCode {
    let (_, recipients) = process::command_line();
    let door = Door::from_environment(&os::home::home());
    forward::run(&recipients, &Environment::of_process(), &mut process::standard_input(), &door).conclude()
}
