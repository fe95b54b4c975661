//! quail-start(8): starts the whole system, and again whatever of it dies. `quail start` becomes this program.
//!
//! `quail-start [defaultdelivery [logger arg ...]]`. Runs as root; parses nothing but its arguments and
//! control/smtplisten. Logic and tests live in crate `supervise`.
#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use os::process::{fill_standard_fds, inherited_fd, listening_sockets};
use supervise::Roles;
use supervise::supervisor::{Setting, run};

fn main() -> ExitCode {
    let failed = ExitCode::from(111);
    let sockets = listening_sockets();
    let (Ok(()), Some(output)) = (fill_standard_fds(), inherited_fd(1)) else { return failed };
    let roles = match os::home::is_rootless() {
        true => Ok(Roles::default()),
        false => Roles::of_this_machine(),
    };
    let mut arguments = std::env::args_os().skip(1);
    let default_delivery = arguments.next().unwrap_or_else(|| "./Mailbox".into());
    let logger: Vec<OsString> = arguments.collect();
    let home = os::home::home();
    let ended = match roles {
        Ok(roles) => run(Setting { home, roles, default_delivery, logger, sockets, output })
            .map_err(|error| format!("quail: cannot go on: {}", os::strerror::of(&error))),
        Err(missing) => Err(format!("fatal: {missing}")),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            let _ = writeln!(std::io::stderr(), "{text}");
            failed
        }
    }
}
