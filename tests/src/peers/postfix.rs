//! A Postfix of its own: production defaults, one listener, mail for `postfix.example` into a Maildir.

use super::{free_address, program};
use crate::place::{deadline, is_root, package};
use crate::space;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fmt::Write;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

/// The domain whose mail ends here.
pub const DOMAIN: &str = "postfix.example";

/// An address whose mail goes to a program: that of the user `box`, whose `.forward` names it.
pub const PROGRAM: &str = "box@local.postfix.example";

/// The services of master.cf that mail passes through, as packaged but for the chroot.
const SERVICES: &str = "\
pickup    unix  n  -  n  60     1  pickup
cleanup   unix  n  -  n  -      0  cleanup
qmgr      unix  n  -  n  300    1  qmgr
tlsmgr    unix  -  -  n  1000?  1  tlsmgr
rewrite   unix  -  -  n  -      -  trivial-rewrite
bounce    unix  -  -  n  -      0  bounce
defer     unix  -  -  n  -      0  bounce
trace     unix  -  -  n  -      0  bounce
verify    unix  -  -  n  -      1  verify
flush     unix  n  -  n  1000?  0  flush
proxymap  unix  -  -  n  -      -  proxymap
smtp      unix  -  -  n  -      -  smtp
relay     unix  -  -  n  -      -  smtp
error     unix  -  -  n  -      -  error
retry     unix  -  -  n  -      -  error
discard   unix  -  -  n  -      -  discard
local     unix  -  n  n  -      -  local
virtual   unix  -  n  n  -      -  virtual
anvil     unix  -  -  n  -      1  anvil
scache    unix  -  -  n  -      1  scache
postlog   unix-dgram n -  n  -  1  postlogd
";

/// A running Postfix.
#[derive(Debug)]
pub struct Postfix {
    scratch: tempfile::TempDir,
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// Where it listens for QMQP.
    pub qmqp: SocketAddr,
}

impl Postfix {
    /// Whether it can run here; else why not.
    pub fn can_run() -> Result<PathBuf, &'static str> {
        if !is_root() {
            return Err("Postfix wants to be started by root");
        }
        package("postfix").ok_or("Postfix cannot be had")
    }

    /// Starts it. Mail for each domain of `routes` goes on to that address; the calling thread gets a name space with
    /// Postfix's accounts.
    pub fn start(root: &Path, routes: &[(&str, SocketAddr)]) -> Self {
        Self::start_in(&std::env::temp_dir(), root, routes)
    }

    /// As [`Postfix::start`], with the queue on the disk of that directory.
    pub fn start_in(disk: &Path, root: &Path, routes: &[(&str, SocketAddr)]) -> Self {
        let scratch = tempfile::Builder::new().prefix("postfix-").tempdir_in(disk).expect("a directory");
        let top = scratch.path();
        fs::set_permissions(top, fs::Permissions::from_mode(0o755)).unwrap();
        let ids = space::add_accounts(top, &["postfix", "postdrop", "box"]);
        make_tree(top, ids[0], ids[1]);
        // The user who owns the Maildir and whose program writes into it.
        let user = ids[2];
        chown(top.join("mail"), Some(user), Some(user)).unwrap();
        fs::write(top.join("forward"), format!("\"|cat >{}/mail/box/new/$$\"\n", top.display())).unwrap();
        chown(top.join("forward"), Some(user), Some(user)).unwrap();
        let (address, qmqp) = (free_address(), free_address());
        fs::write(top.join("conf/main.cf"), main_cf(top, root, user, routes)).unwrap();
        let listeners = format!("{address} inet n - n - - smtpd\n{qmqp} inet n - n - - qmqpd\n");
        fs::write(top.join("conf/master.cf"), listeners + SERVICES).unwrap();
        let log = fs::File::create(top.join("log")).unwrap();
        let child = program(root, "usr/lib/postfix/sbin/master")
            .arg("-c")
            .arg(top.join("conf"))
            .arg("-s")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("Postfix's master");
        let postfix = Self { scratch, child, address, qmqp };
        deadline("Postfix listens", || TcpStream::connect(address).is_ok());
        postfix
    }

    /// The Maildir of all its users.
    pub fn maildir(&self) -> PathBuf {
        self.scratch.path().join("mail/box")
    }

    /// What it says about itself.
    pub fn log(&self) -> String {
        fs::read_to_string(self.scratch.path().join("log")).unwrap_or_default()
    }

    /// The process that all its others descend from.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("Postfix said:\n{}", self.log());
        }
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(0));
        let _ = kill(pid, Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

/// The directories of a queue as Postfix's own set-up makes them.
fn make_tree(top: &Path, owner: u32, group: u32) {
    for name in ["conf", "data", "mail", "spool", "spool/pid"] {
        fs::create_dir(top.join(name)).unwrap();
    }
    for name in [
        "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved",
        "trace", "maildrop", "public",
    ] {
        let path = top.join("spool").join(name);
        fs::create_dir(&path).unwrap();
        let (gid, mode) = match name {
            "maildrop" => (group, 0o730),
            "public" => (group, 0o710),
            _ => (owner, 0o700),
        };
        chown(&path, Some(owner), Some(gid)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    chown(top.join("data"), Some(owner), Some(owner)).unwrap();
}

/// Defaults, but for places, names and where mail goes.
fn main_cf(top: &Path, root: &Path, owner: u32, routes: &[(&str, SocketAddr)]) -> String {
    let (top, root) = (top.display(), root.display());
    let mut text = format!(
        "compatibility_level = 3.6
queue_directory = {top}/spool
command_directory = {root}/usr/sbin
daemon_directory = {root}/usr/lib/postfix/sbin
data_directory = {top}/data
shlib_directory = no
meta_directory = {top}/conf
import_environment = MAIL_CONFIG TZ LANG=C LD_LIBRARY_PATH
export_environment = MAIL_CONFIG TZ LANG LD_LIBRARY_PATH
maillog_file = /dev/stdout
maillog_file_prefixes = /dev/stdout
myhostname = mx.{DOMAIN}
mydestination = local.{DOMAIN}
forward_path = {top}/forward
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
qmqpd_authorized_clients = 127.0.0.0/8
alias_maps =
alias_database =
local_recipient_maps =
virtual_mailbox_domains = {DOMAIN}
virtual_mailbox_base = {top}/mail
virtual_mailbox_maps = static:box/
virtual_uid_maps = static:{owner}
virtual_gid_maps = static:{owner}
"
    );
    let route =
        |(domain, to): &(&str, SocketAddr)| format!("{{{domain} = smtp:[{}]:{}}}", to.ip(), to.port());
    let table: Vec<String> = routes.iter().map(route).collect();
    let domains: Vec<&str> = routes.iter().map(|(d, _)| *d).collect();
    if !routes.is_empty() {
        writeln!(text, "relay_domains = {}", domains.join(" ")).unwrap();
        writeln!(text, "transport_maps = inline:{{{}}}", table.join(", ")).unwrap();
    }
    text
}
