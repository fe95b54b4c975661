//! qreceipt(1): tells the sender of a message, who asked for it, that it has arrived, from a .qmail line.
//!
//! Runs as the recipient. Logic and tests live in `inject::dotqmail`.
#![forbid(unsafe_code)]

use inject::{environment::Environment, process};
use queue::door::Door;
use std::process::ExitCode;

fn main() -> ExitCode {
    let (_, arguments) = process::command_line();
    let door = Door::from_environment(&os::home::home());
    let mut input = process::standard_input();
    inject::dotqmail::qreceipt::run(&arguments, &Environment::of_process(), &mut input, &door).conclude()
}
