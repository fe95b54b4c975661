//! qmail-popup(8): the half of a POP3 session before the password was right.
//!
//! Runs as root, since the checking program must become the user, on descriptors 0 and 1 of a stranger. It parses one
//! line at a time and opens nothing. Logic and tests live in crate `pop3`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use pop3::wire::Wire;

fn main() -> ExitCode {
    os::process::ignore_sigpipe();
    let (Some(input), Some(output)) = (os::process::inherited_fd(0), os::process::inherited_fd(1)) else {
        return ExitCode::from(1);
    };
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    ExitCode::from(pop3::popup::run(&mut Wire::new(input, output), &arguments))
}
