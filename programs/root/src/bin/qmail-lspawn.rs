//! qmail-lspawn(8): starts local deliveries, each as the owner of its address.
//!
//! Runs as root, of necessity: descriptors 0 and 1 are qmail-send's commands and our reports. It parses nothing
//! but their three fields and users/cdb. Logic and tests live in crate `spawner`.
#![forbid(unsafe_code)]

use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::process::ExitCode;

use os::home::{Owners, home, is_rootless};
use os::process::{Identity, fill_standard_fds, inherited_fd};
use spawner::local::{Identities, Local, WORKERS_MAX};
use spawner::questions::Questions;
use spawner::service::{Setting, run};

fn main() -> ExitCode {
    let temporary = ExitCode::from(111);
    let Ok(()) = fill_standard_fds() else { return temporary };
    let (Some(commands), Some(reports)) = (inherited_fd(0), inherited_fd(1)) else { return temporary };
    let home = home();
    let mess = home.join("queue/mess");
    let (Ok(()), Ok(owners)) = (std::env::set_current_dir(&mess), Owners::of(&home)) else {
        return temporary;
    };
    let Ok(mess) = std::fs::File::open(".") else { return temporary };
    let Some(default_delivery) = std::env::args_os().nth(1) else { return ExitCode::from(100) };
    let identities = match is_rootless() {
        true => Identities::Caller,
        false => match lookup_identity() {
            Ok(lookup) => Identities::Owners { lookup },
            Err(missing) => {
                let _ = writeln!(std::io::stderr(), "fatal: unable to find {missing}");
                return temporary;
            }
        },
    };
    // Without it nobody is asked, and every recipient is accepted: no reason not to deliver.
    let questions = listen(&home, &identities).ok();
    let queue_owner = owners.queue;
    let mess = mess.into();
    let setting = Setting { commands, reports, mess, queue_owner, workers_max: WORKERS_MAX, questions };
    let mut trade = Local::new(home, default_delivery.into_vec(), identities);
    run(&mut trade, setting).map_or(temporary, |()| ExitCode::SUCCESS)
}

/// `run/recipients`, for the group of qmaild.
fn listen(home: &Path, identities: &Identities) -> std::io::Result<Questions> {
    let group = match identities {
        Identities::Owners { lookup } => Some(lookup.gid),
        Identities::Caller => None,
    };
    make_directory(&home.join("run"))?;
    Questions::at(&home.join("run/recipients"), group)
}

/// For sockets: an installation of the original has none.
fn make_directory(path: &Path) -> std::io::Result<()> {
    match std::fs::create_dir(path) {
        Ok(()) => std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)),
        Err(_) if path.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// qmailp:nofiles, or what is missing.
fn lookup_identity() -> Result<Identity, &'static str> {
    let user = nix::unistd::User::from_name("qmailp").ok().flatten().ok_or("user qmailp")?;
    let group = nix::unistd::Group::from_name("nofiles").ok().flatten().ok_or("group nofiles")?;
    Ok(Identity { uid: user.uid.as_raw(), gid: group.gid.as_raw() })
}
