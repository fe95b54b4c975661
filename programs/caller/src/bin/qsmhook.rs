//! qsmhook(1): runs a delivery program that was made for sendmail, from a .qmail line.
//!
//! Runs as the recipient. Logic and tests live in `inject::dotqmail`.
#![forbid(unsafe_code)]

use inject::{environment::Environment, process};
use std::process::ExitCode;

fn main() -> ExitCode {
    let (_, arguments) = process::command_line();
    let mut input = process::standard_input();
    inject::dotqmail::qsmhook::run(&arguments, &Environment::of_process(), &mut input).conclude()
}
