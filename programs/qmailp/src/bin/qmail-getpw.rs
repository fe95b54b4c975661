//! qmail-getpw(8): who controls a local part, by the accounts of this machine.
//!
//! Runs as qmailp, so that a home which strangers cannot see is not one. `qmail-getpw LOCAL` prints the six fields;
//! `qmail-getpw --lookups-on 0` answers packets on descriptor 0 for `qmail-lspawn`. Rules and tests live in crate
//! `users`.
#![forbid(unsafe_code)]

use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

use users::accounts::{LookupError, Machine, Rootless, SystemAccounts, owner};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (first, second) = (arguments.next(), arguments.next());
    match (first, second) {
        (None, _) => ExitCode::from(100),
        (Some(first), Some(second)) if first == "--lookups-on" && second == "0" => serve(),
        (Some(local), _) => print_owner(local.as_bytes()),
    }
}

fn print_owner(local: &[u8]) -> ExitCode {
    let found = match rootless() {
        Some(machine) => owner(&machine, local),
        None => owner(&SystemAccounts, local),
    };
    match found {
        // Nobody who reads what we print can be told that he does not.
        Ok(owner) => {
            std::io::stdout().write_all(&owner.encode()).map_or(ExitCode::from(118), |()| ExitCode::SUCCESS)
        }
        Err(error) => ExitCode::from(LookupError::exit_code(&error)),
    }
}

fn serve() -> ExitCode {
    fn serve_as(machine: &impl Machine) -> ExitCode {
        let served = os::process::inherited_fd(0)
            .ok_or_else(|| std::io::ErrorKind::NotConnected.into())
            .and_then(|socket| users::lookup_service::serve(&socket, machine));
        served.map_or(ExitCode::from(111), |()| ExitCode::SUCCESS)
    }
    rootless().map_or_else(|| serve_as(&SystemAccounts), |machine| serve_as(&machine))
}

/// The rootless form, where the queue is the caller's own. (As qmailp we are not root either, so that alone does
/// not tell.)
fn rootless() -> Option<Rootless> {
    let home = os::home::home();
    let me = users::accounts::caller();
    let owners = os::home::Owners::of(&home).ok()?;
    (os::home::is_rootless() && owners.queue == me.0).then_some(Rootless { home, uid: me.0, gid: me.1 })
}
