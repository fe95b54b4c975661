//! mailsubj(1): sends standard input under a subject. Becomes no other program: qmail-inject is its child.
//!
//! Runs as whoever calls it. Logic and tests live in `inject::dotqmail`.
#![forbid(unsafe_code)]

use inject::process;
use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;

fn main() -> ExitCode {
    let bin = os::home::home().join("bin");
    let (_, arguments) = process::command_line();
    let path = |name: &str| bin.join(name).into_os_string().into_vec();
    let mut input = process::standard_input();
    inject::dotqmail::mailsubj::run(&path("mailsubj"), &arguments, &path("qmail-inject"), &mut input)
        .conclude()
}
