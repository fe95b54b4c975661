//! qmail-start(8): turns the mail system on.
//!
//! Runs as root: starts qmail-lspawn, qmail-rspawn, qmail-clean and, if asked, a logger, and becomes qmail-send. Reads
//! nothing but its arguments. Logic lives in crate `supervise`.
#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use os::process::{fill_standard_fds, inherited_fd};
use supervise::Roles;

fn main() -> ExitCode {
    let failed = ExitCode::from(111);
    let (Ok(()), Some(output)) = (fill_standard_fds(), inherited_fd(1)) else { return failed };
    let roles = match os::home::is_rootless() {
        true => Roles::default(),
        false => match Roles::of_this_machine() {
            Ok(roles) => roles,
            Err(missing) => {
                let _ = writeln!(std::io::stderr(), "fatal: {missing}");
                return failed;
            }
        },
    };
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    supervise::classic::start(&roles, &output, &arguments);
    failed
}
