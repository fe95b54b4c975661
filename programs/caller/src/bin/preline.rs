//! preline(1): feeds a program the message with the lines that mailboxes have before it, from a .qmail line.
//!
//! Runs as the recipient. Logic and tests live in `inject::dotqmail`.
#![forbid(unsafe_code)]

use inject::{environment::Environment, process};
use std::process::ExitCode;

fn main() -> ExitCode {
    let (program, arguments) = process::command_line();
    let mut input = process::standard_input();
    inject::dotqmail::preline::run(&program, &arguments, &Environment::of_process(), &mut input).conclude()
}
