//! qmail-rspawn(8): starts deliveries to other hosts.
//!
//! Runs as qmailr; descriptors 0 and 1 are qmail-send's commands and our reports. Logic and tests live in crate
//! `spawner`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use os::home::{Owners, home, is_rootless};
use os::process::{fill_standard_fds, inherited_fd};
use spawner::remote::{Remote, WORKERS_MAX};
use spawner::service::{Setting, run};

fn main() -> ExitCode {
    let temporary = ExitCode::from(111);
    let Ok(()) = fill_standard_fds() else { return temporary };
    let (Some(commands), Some(reports)) = (inherited_fd(0), inherited_fd(1)) else { return temporary };
    let home = home();
    let (Ok(()), Ok(owners)) = (std::env::set_current_dir(home.join("queue/mess")), Owners::of(&home)) else {
        return temporary;
    };
    let Ok(mess) = std::fs::File::open(".") else { return temporary };
    deliver_remote::tcpto::TimeoutTable::at(&home, std::process::id()).clear();
    let mut trade = Remote::new(std::env::var_os("QMAILREMOTE"), Remote::find_program(&home, is_rootless()));
    let setting = Setting {
        commands,
        reports,
        mess: mess.into(),
        queue_owner: owners.queue,
        workers_max: WORKERS_MAX,
        questions: None,
    };
    run(&mut trade, setting).map_or(temporary, |()| ExitCode::SUCCESS)
}
