//! What the project does with itself: `cargo xtask try | test | tidy | bench | replay | differential`.
//!
//! Everything here is for people who have the source; nothing of it is installed.
#![forbid(unsafe_code)]

mod bench;
mod checks;
mod deb;
mod debian;
mod differential;
mod man;
mod readme;
mod replay;
mod tally;
mod terminal;
mod tidy;
mod tree;
mod tryout;

use std::process::ExitCode;
use terminal::say;

const USAGE: &str = "\
cargo xtask try [--once]      build every program and run a private mail system; a message arrives
cargo xtask test              everything that CI checks; ends with: N passed, N failed, N skipped
cargo xtask tidy              the house rules
cargo xtask replay [NAME...]  the recorded answers of the original, for these programs (options: vectors/run.py)
cargo xtask differential --original DIR
                              the same journeys on an installed original and on us, and what differs
cargo xtask peers             fetch and unpack the Debian packages that journeys use
cargo xtask deb [ARG...]      Debian packages of a release build, in target/deb (packaging/README.md)
cargo xtask man               what is made: man/qmail-control.5, the table in README.md
cargo xtask bench [ARG...]    messages per second, release build, beside other mail servers";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let command = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    let result = match command.as_str() {
        "try" => tryout::run(&rest),
        "test" => checks::run(),
        "tidy" => tidy::run(),
        "replay" => replay::run(&rest),
        "deb" => deb::run(&rest),
        "man" => man::write(),
        "bench" => bench::run(&rest),
        "differential" => differential::run(&rest),
        "peers" => {
            debian::unpack(debian::FOR_TESTS);
            Ok(true)
        }
        _ => {
            say(USAGE);
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("xtask: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
