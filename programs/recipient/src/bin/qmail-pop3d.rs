//! qmail-pop3d(8): the half of a POP3 session after the password was right.
//!
//! Runs as the owner of the Maildir, started by a checking program, on descriptors 0 and 1. Logic and tests live in
//! crate `pop3`.
#![forbid(unsafe_code)]

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use mailbox::quota::Usage;
use mailbox::{contents, maildirsize};
use pop3::wire::Wire;

fn main() -> ExitCode {
    os::process::ignore_sigpipe();
    let uid = nix::unistd::geteuid();
    if uid.is_root() {
        let _ = writeln!(std::io::stderr(), "qmail-pop3d invoked as uid {uid}, terminating");
        return ExitCode::from(1);
    }
    if let (Some(input), Some(output)) = (os::process::inherited_fd(0), os::process::inherited_fd(1)) {
        let maildir = std::env::args_os().nth(1).map(PathBuf::from);
        let mut removed = Usage::default();
        let mut gone = |name: &[u8], bytes| removed = removed.plus(contents::usage(name, || bytes));
        // An error is a client that has gone, or has fallen silent: nobody is there to be told.
        let _ = pop3::pop3d::run(Wire::new(input, output), maildir.as_deref(), blank_line(), &mut gone);
        maildirsize::note_removed(&maildir.unwrap_or_default(), removed);
    }
    ExitCode::SUCCESS
}

/// Control file `popblankline`. One that cannot be read is none: its administrator is not there to hear of it.
fn blank_line() -> bool {
    let control = control::Control::at(&os::home::home());
    control::catalogue::setting("popblankline")
        .and_then(|setting| control.number(setting, &mut |_| {}).ok())
        .is_none_or(|number| number > 0)
}
