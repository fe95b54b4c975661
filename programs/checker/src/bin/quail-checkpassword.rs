//! quail-checkpassword(8): judge a name and a password, and become the user's program.
//!
//! Runs as root until it has become the user. What a stranger says reaches it on descriptor 3, at most 512 bytes of it.
//! Logic and tests live in crate `passwords`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let question = os::process::inherited_fd(3).map(std::fs::File::from);
    ExitCode::from(passwords::program::run(question, &os::home::home(), &arguments))
}
