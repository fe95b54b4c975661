//! As root: a private /var/qmail with accounts of its own, and a private network.
//!
//! Both belong to the calling thread and to the programs it starts. Nothing of the machine is changed, and nothing is
//! left when they have ended.

use nix::mount::{MntFlags, MsFlags, mount, umount2};
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
    let accounts = write_accounts(scratch);
    unshare(CloneFlags::CLONE_NEWNS).expect("root may have a name space");
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>).unwrap();
    for name in ["passwd", "group"] {
        bind(&scratch.join(name), &Path::new("/etc").join(name).canonicalize().unwrap());
    }
    let home = scratch.join("home");
    fs::create_dir_all(&home).unwrap();
    if !Path::new(HOME).is_dir() {
        add_to_var(&scratch.join("var"));
    }
    bind(&home, Path::new(HOME));
    accounts
}

/// Gives this thread a network of its own: loopback only, all of 127/8. What resolves names there asks `nameserver`.
pub fn enter_network(scratch: &Path, nameserver: &str) {
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET).expect("root may have a network");
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>).unwrap();
    let up = Command::new("ip").args(["link", "set", "lo", "up"]).status().expect("ip(8)");
    assert!(up.success(), "the loopback interface comes up");
    let resolver = scratch.join("resolv.conf");
    fs::write(&resolver, format!("nameserver {nameserver}\noptions timeout:2 attempts:2\n")).unwrap();
    bind(&resolver, &Path::new("/etc/resolv.conf").canonicalize().unwrap());
}

fn bind(from: &Path, to: &Path) {
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some(from), to, None::<&str>, flags, None::<&str>)
        .unwrap_or_else(|e| panic!("{}: {e}", to.display()));
}

/// A /var like the machine's with one directory more.
fn add_to_var(var: &Path) {
    fs::create_dir_all(var).unwrap();
    mount(None::<&str>, var, Some("tmpfs"), MsFlags::empty(), Some("mode=0755")).unwrap();
    for entry in Path::new("/var").read_dir().unwrap().filter_map(Result::ok) {
        let (old, new) = (entry.path(), var.join(entry.file_name()));
        if old.is_symlink() {
            symlink(old.read_link().unwrap(), new).unwrap();
        } else if old.is_dir() {
            fs::create_dir(&new).unwrap();
            bind(&old, &new);
        }
    }
    fs::create_dir(var.join("qmail")).unwrap();
    bind(var, Path::new("/var"));
    // The scratch directory is removed recursively at the end, on this very thread: through these mounts that would
    // empty the machine's own /var.
    umount2(var, MntFlags::MNT_DETACH).unwrap();
    assert!(var.read_dir().unwrap().next().is_none(), "nothing of the machine is left in the scratch directory");
}

fn write_accounts(scratch: &Path) -> Accounts {
    let mut passwd = fs::read_to_string("/etc/passwd").unwrap();
    let mut group = fs::read_to_string("/etc/group").unwrap();
    let drop_own = |text: &str, names: &[&str]| -> String {
        let is_ours = |l: &str| names.iter().any(|n| l.starts_with(&format!("{n}:")));
        text.lines().filter(|l| !is_ours(l)).map(|l| format!("{l}\n")).collect()
    };
    // What the machine itself has under these names is hidden, not used: a test touches nobody's real account.
    let names: Vec<&str> = ACCOUNTS.iter().map(|(n, _)| *n).chain(PEOPLE).collect();
    passwd = drop_own(&passwd, &names);
    group = drop_own(&group, &["qmail", "nofiles"]);
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
    for (name, text) in [("passwd", passwd), ("group", group)] {
        fs::write(scratch.join(name), text).unwrap();
        fs::set_permissions(scratch.join(name), fs::Permissions::from_mode(0o644)).unwrap();
    }
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
