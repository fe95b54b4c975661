//! Ours: as root with real identities where that can be, else without root.

use super::{AWAY, DEAD, Facts, Mta, Routes, SLOW, USERS};
use crate::load::submission::Program;
use anyhow::{Result, ensure};
use quail_tests::World;
use quail_tests::space::home_of;
use quail_tests::world::DOMAIN;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// The uid of the first of many users, as root.
const FIRST_USER: u32 = 64_600;

/// Starts one with defaults, but for how many sessions may come from one address: all of ours do.
pub fn start(routes: Routes) -> Result<Mta> {
    start_with("Quail", routes, |_| Ok(()))
}

/// The same with something done to it before it starts.
pub fn start_with(
    name: &'static str,
    routes: Routes,
    prepare: impl FnOnce(&World) -> Result<()> + Send + 'static,
) -> Result<Mta> {
    Mta::start(name, move || {
        let (mut world, facts) = make(routes, |_| ())?;
        prepare(&world)?;
        world.start();
        Ok((world, Facts { name, ..facts }))
    })
}

/// An installation that is not started yet, in the calling thread's name space; its programs may be replaced before
/// any of them is run.
pub fn make(routes: Routes, replace: impl FnOnce(&World)) -> Result<(World, Facts)> {
    let is_root = quail_tests::place::is_root();
    let mut world = if is_root { World::as_root() } else { World::rootless() };
    replace(&world);
    let Routes { away, slow, dead } = routes;
    let mut table = String::new();
    for (domain, to) in [(AWAY, away), (SLOW, slow), (DEAD, dead)] {
        writeln!(table, "{domain}:{}:{}", to.ip(), to.port())?;
    }
    world.control("smtproutes", &table);
    world.relay_for_all();
    for name in ["concurrencyincoming", "smtpsessionsperaddress"] {
        world.control(name, "1000\n");
    }
    let joe = if is_root { home_of(world.scratch(), "joe") } else { world.home().join("joe") };
    let mut maildirs = vec![joe.join("Maildir")];
    maildirs.extend(if is_root { users_as_root(&world)? } else { users(&mut world) });
    let sendmail = world.program("sendmail");
    let submit = Program {
        path: sendmail.get_program().into(),
        arguments: ["-f", "sender@client.example", &format!("joe@{DOMAIN}")].map(Into::into).into(),
        environment: sendmail
            .get_envs()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
            .collect(),
        group: None,
    };
    let facts = Facts {
        name: "Quail",
        version: env!("CARGO_PKG_VERSION").to_owned(),
        address: world.address,
        one: format!("joe@{DOMAIN}"),
        many: (0..USERS).map(|n| format!("u{n}@{DOMAIN}")).collect(),
        program: Some(format!("joe-program@{DOMAIN}")),
        submit,
        maildirs,
        disk: world.home().to_path_buf(),
    };
    Ok((world, facts))
}

/// The program of `~joe/.qmail-program`: a file in the Maildir, made by a shell.
fn program_line(maildir: &Path) -> String {
    format!("|cat >{}/new/$$\n", maildir.display())
}

fn users(world: &mut World) -> Vec<PathBuf> {
    let joe = world.home().join("joe/Maildir");
    world.dot_qmail("joe", "-program", &program_line(&joe));
    (0..USERS).map(|n| world.user(&format!("u{n}")).join("Maildir")).collect()
}

/// Users with a uid each, by users/assign.
fn users_as_root(world: &World) -> Result<Vec<PathBuf>> {
    let people = world.scratch().join("people");
    let mut maildirs = Vec::new();
    let mut lines = String::new();
    world.own_all();
    let joe = people.join("joe");
    std::fs::write(joe.join(".qmail-program"), program_line(&joe.join("Maildir")))?;
    for (number, uid) in (0..USERS).zip(FIRST_USER..) {
        let home = people.join(format!("u{number}"));
        std::fs::create_dir(&home)?;
        std::os::unix::fs::chown(&home, Some(uid), Some(uid))?;
        let maildir = home.join("Maildir");
        super::make_maildir(&maildir)?;
        maildirs.push(maildir);
        writeln!(lines, "=u{number}:u{number}:{uid}:{uid}:{}:::", home.display())?;
    }
    std::fs::write(world.home().join("users/assign"), format!("{lines}.\n"))?;
    let status = world.program("qmail-newu").status()?;
    ensure!(status.success(), "qmail-newu: {status}");
    Ok(maildirs)
}
