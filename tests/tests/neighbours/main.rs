//! Other people's programs that speak qmail's interfaces, unchanged, from Debian's packages. The topology stands at the
//! top of every file.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test that cannot go on must stop, loudly"
)]

mod filters;
mod front_ends;
mod imap;
mod lists;
mod monitoring;
mod quota;
mod senders;
mod supervision;

use quail_tests::{World, place, skip, space};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

/// A message to recognise by its subject.
fn letter(to: &str, subject: &str) -> String {
    format!("From: a@there.example\nTo: {to}\nSubject: {subject}\n\nHello.\n")
}

/// joe, for programs that want their user to be in the account file.
struct Joe {
    world: World,
    account: Login,
}

/// Numbers and home of a user with an account.
struct Login {
    home: PathBuf,
    uid: u32,
    gid: u32,
}

impl Joe {
    /// A world with him in it, not started; without root, this says aloud that the test is not run.
    fn new() -> Option<Self> {
        if !place::is_root() {
            skip("only root can make accounts");
            return None;
        }
        let world = World::as_root();
        world.own_all();
        let account = world.accounts().named("joe");
        let home = space::home_of(world.scratch(), "joe");
        let account = Login { home, uid: account.uid, gid: account.gid };
        Some(Self { world, account })
    }
}

impl Login {
    /// Writes a file of his.
    fn write(&self, name: &str, content: &str, mode: u32) {
        let path = self.home.join(name);
        fs::write(&path, content).expect("his home");
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("root may");
        chown(&path, Some(self.uid), Some(self.gid)).expect("root may");
    }

    /// Has him run it, as after a login.
    fn run<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.uid(self.uid).gid(self.gid).env("HOME", &self.home).env("USER", "joe").env("LOGNAME", "joe")
    }
}
