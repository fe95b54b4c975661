//! tcp-env(1): what is known about a TCP connection, put into the environment of a program.
//!
//! Runs as its caller, between inetd and the program. Logic and tests live in crate `tcp-env`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(tcp_env::run(std::env::args_os().skip(1)))
}
