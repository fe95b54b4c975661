//! As root: a private /var/qmail with accounts of its own, and a private network.
//!
//! Both belong to the calling thread and to the programs it starts. Nothing of the machine is changed, and nothing is
//! left when they have ended.

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the installation is in this form.
pub const HOME: &str = "/var/qmail";

/// A number for an account: no user and no group of the machine should have it; checked when it is taken.
const FIRST_ID: u32 = 64_300;

/// The seven accounts with their groups.
const ACCOUNTS: [(&str, &str); 7] = [
    ("alias", "nofiles"),
    ("qmaild", "nofiles"),
    ("qmaill", "nofiles"),
    ("qmailp", "nofiles"),
    ("qmailq", "qmail"),
    ("qmailr", "qmail"),
    ("qmails", "qmail"),
];

/// Users who get mail.
const PEOPLE: [&str; 2] = ["joe", "ann"];

/// Numbers of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

/// Who is who in a private space.
#[derive(Clone, Debug, Default)]
pub struct Accounts(Vec<Account>);

impl Accounts {
    /// The account of that name.
    pub fn named(&self, name: &str) -> &Account {
        self.0.iter().find(|a| a.name == name).expect("one of the accounts")
    }
}

/// Gives this thread a mount name space where /var/qmail is `scratch`/home, with accounts of its own: qmail's seven, and
/// `joe` and `ann` with homes in `scratch`.
pub fn enter(scratch: &Path) -> Accounts {
    private_mounts();
    let accounts = own_accounts(scratch);
    let home = scratch.join("home");
    fs::create_dir_all(&home).unwrap();
    if !Path::new(HOME).is_dir() {
        empty_var();
    }
    bind(&home, Path::new(HOME));
    accounts
}

/// Adds accounts to the account files that this thread and what it starts see; gives their numbers.
pub fn add_accounts(scratch: &Path, names: &[&str]) -> Vec<u32> {
    let mut passwd = fs::read_to_string("/etc/passwd").unwrap();
    let mut group = fs::read_to_string("/etc/group").unwrap();
    let mut ids = Vec::new();
    for name in names {
        let id = (FIRST_ID..)
            .find(|id| {
                let field = format!(":{id}:");
                !passwd.contains(&field) && !group.contains(&field)
            })
            .expect("a free number");
        passwd = without(&passwd, &[name]) + &format!("{name}:x:{id}:{id}::/nonexistent:/bin/false\n");
        group = without(&group, &[name]) + &format!("{name}:x:{id}:\n");
        ids.push(id);
    }
    private_mounts();
    install_accounts(scratch, &passwd, &group);
    ids
}

pub(crate) fn private_mounts() {
    unshare(CloneFlags::CLONE_NEWNS).expect("root may have a name space");
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>).unwrap();
}

fn install_accounts(scratch: &Path, passwd: &str, group: &str) {
    for (name, text) in [("passwd", passwd), ("group", group)] {
        let file = scratch.join(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        bind(&file, &Path::new("/etc").join(name).canonicalize().unwrap());
    }
}

/// An account file without these names.
fn without(text: &str, names: &[&str]) -> String {
    let is_named = |line: &str| names.iter().any(|n| line.starts_with(&format!("{n}:")));
    text.lines().filter(|l| !is_named(l)).map(|l| format!("{l}\n")).collect()
}

/// Gives this thread a network of its own: loopback only, all of 127/8 and of fd00::/64. What resolves names there asks `nameserver`.
pub fn enter_network(scratch: &Path, nameserver: &str) {
    unshare(CloneFlags::CLONE_NEWNET).expect("root may have a network");
    private_mounts();
    // All of fd00::/64 is here too, and yet no address of this host's interfaces, like 127.0.1.1.
    for command in ["link set lo up", "-6 route add local fd00::/64 dev lo"] {
        let done = Command::new("ip").args(command.split(' ')).status().expect("ip(8)");
        assert!(done.success(), "ip {command}");
    }
    fs::write("/proc/sys/net/ipv6/ip_nonlocal_bind", "1").expect("a setting of this network alone");
    let resolver = scratch.join("resolv.conf");
    fs::write(&resolver, format!("nameserver {nameserver}\noptions timeout:2 attempts:2\n")).unwrap();
    bind(&resolver, &Path::new("/etc/resolv.conf").canonicalize().unwrap());
}

/// Shows a directory at another place, to this thread and what it starts. To be called after one of the functions here has
/// given the thread a name space.
pub fn show_at(from: &Path, to: &Path) {
    bind(from, to);
}

/// Hides what is in a directory behind an empty one with these parts, from this thread and what it starts; as
/// [`show_at`]. None of what is hidden is mounted anywhere else.
pub fn cover(directory: &Path, parts: &[&str]) {
    mount(None::<&str>, directory, Some("tmpfs"), MsFlags::empty(), Some("mode=0755")).unwrap();
    for part in parts {
        fs::create_dir_all(directory.join(part)).unwrap();
    }
}

fn bind(from: &Path, to: &Path) {
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some(from), to, None::<&str>, flags, None::<&str>)
        .unwrap_or_else(|e| panic!("{}: {e}", to.display()));
}

/// An empty /var with a mount point for /var/qmail. None of the machine's own directories is mounted anywhere else:
/// scratch directories are removed recursively, and through such a mount that would empty the machine's.
fn empty_var() {
    mount(None::<&str>, "/var", Some("tmpfs"), MsFlags::empty(), Some("mode=0755")).unwrap();
    for name in ["qmail", "tmp"] {
        fs::create_dir(Path::new("/var").join(name)).unwrap();
    }
    fs::set_permissions("/var/tmp", fs::Permissions::from_mode(0o1777)).unwrap();
    for (name, target) in [("run", "/run"), ("lock", "/run/lock")] {
        symlink(target, Path::new("/var").join(name)).unwrap();
    }
}

fn own_accounts(scratch: &Path) -> Accounts {
    // What the machine itself has under these names is hidden, not used: a test touches nobody's real account.
    let names: Vec<&str> = ACCOUNTS.iter().map(|(n, _)| *n).chain(PEOPLE).collect();
    let mut passwd = without(&fs::read_to_string("/etc/passwd").unwrap(), &names);
    let mut group = without(&fs::read_to_string("/etc/group").unwrap(), &["qmail", "nofiles"]);
    let taken = |id: u32| {
        let field = format!(":{id}:");
        passwd.contains(&field) || group.contains(&field)
    };
    let mut free = (FIRST_ID..).filter(|&id| !taken(id));
    let mut next = || free.next().expect("a free number");
    let groups = [("qmail", next()), ("nofiles", next())];
    let mut accounts = Vec::new();
    for (name, group) in ACCOUNTS {
        let gid = groups.iter().find(|(n, _)| *n == group).expect("one of two").1;
        accounts.push(Account { name: name.to_owned(), uid: next(), gid });
    }
    for name in PEOPLE {
        let id = next();
        accounts.push(Account { name: name.to_owned(), uid: id, gid: id });
    }
    for Account { name, uid, gid } in &accounts {
        let home = home_of(scratch, name);
        passwd += &format!("{name}:x:{uid}:{gid}::{}:/bin/sh\n", home.display());
    }
    for (name, gid) in groups {
        group += &format!("{name}:x:{gid}:\n");
    }
    install_accounts(scratch, &passwd, &group);
    Accounts(accounts)
}

/// The home directory of an account, as the account file says it.
pub fn home_of(scratch: &Path, name: &str) -> PathBuf {
    match name {
        "alias" => Path::new(HOME).join("alias"),
        name if PEOPLE.contains(&name) => scratch.join("people").join(name),
        _ => PathBuf::from(HOME),
    }
}
