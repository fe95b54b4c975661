//! fastforward(1): forwards a message as a forwarding database says, from a .qmail line.
//!
//! Runs as the recipient. Logic and tests live in `inject::aliases`.
#![forbid(unsafe_code)]

use inject::aliases::fastforward;
use inject::{environment::Environment, process};
use queue::door::Door;
use std::process::ExitCode;

fn main() -> ExitCode {
    let (_, arguments) = process::command_line();
    let door = Door::from_environment(&os::home::home());
    fastforward::run(
        &arguments,
        &Environment::of_process(),
        &mut process::standard_input(),
        &mut process::rewind_input,
        &door,
        &mut std::io::stderr(),
    )
    .conclude()
}
