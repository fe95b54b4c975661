//! qmail-local(8): deliver a message to a recipient of this host, or send it on.
//!
//! Runs as the recipient. The classic form makes one delivery, with the message on descriptor 0, and says on
//! descriptors 1 and 2 what became of it; `--worker` makes many, asked for by qmail-lspawn on descriptor 0.
//! Logic and tests live in crate `deliver-local`.
#![forbid(unsafe_code)]

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;
use std::time::Duration;

use deliver_local::arguments::{self, USAGE};
use deliver_local::delivery::{Means, Room, deliver};
use deliver_local::output::{Direct, Output as _};
use deliver_local::{exit, worker};

fn main() -> ExitCode {
    // Mail is nobody else's business, and neither is what programs make of it.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    let mut arguments = std::env::args_os().skip(1);
    if arguments.len() == 1 && arguments.next().as_deref() == Some(OsStr::new("--worker")) {
        return serve();
    }
    let arguments: Vec<_> = std::env::args_os().skip(1).map(OsStringExt::into_vec).collect();
    let Some((purpose, delivery)) = arguments::parse(&arguments) else {
        Direct.complain(USAGE);
        return exit::PERMANENT.into();
    };
    let Some(message) = os::process::inherited_fd(0) else {
        return exit::TEMPORARY.into();
    };
    let mut room = Room::default();
    deliver(&delivery, &File::from(message), purpose, &means(), &mut room, &mut Direct).into()
}

fn serve() -> ExitCode {
    os::descriptors::close_from(3);
    os::heap::share_among_threads();
    let Some(socket) = os::process::inherited_fd(0) else {
        return exit::TEMPORARY.into();
    };
    match worker::serve(socket, &means(), worker::IDLE) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => exit::TEMPORARY.into(),
    }
}

fn means() -> Means {
    let home = os::home::home();
    let control = control::Control::at(&home);
    Means {
        inherited: std::env::vars_os().collect(),
        door: queue::door::Door::from_environment(&home),
        maildirs: Default::default(),
        homes: Default::default(),
        program_limit: Box::new(move || program_limit(&control)),
    }
}

/// Control file `programtimeout`. One that cannot be read or understood is none: the administrator is told by
/// `quail check`, not by the bounces of his users.
fn program_limit(control: &control::Control) -> Option<Duration> {
    let setting = control::catalogue::setting("programtimeout")?;
    let seconds = control.number(setting, &mut |_| {}).ok()?;
    (seconds > 0).then(|| Duration::from_secs(seconds))
}
