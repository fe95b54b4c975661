//! An Exim of its own: mail for `exim.example` into a Maildir, everything else to one address.

use super::{free_address, program};
use crate::place::{deadline, is_root, package};
use crate::space;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

/// The domain whose mail ends here.
pub const DOMAIN: &str = "exim.example";

/// The mailbox whose mail goes to a program.
pub const PROGRAM: &str = "program";

/// A running Exim.
#[derive(Debug)]
pub struct Exim {
    scratch: tempfile::TempDir,
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Exim {
    /// Whether it can run here; else why not.
    pub fn can_run() -> Result<PathBuf, &'static str> {
        if !is_root() {
            return Err("Exim wants an account of its own, which only root can give it");
        }
        package("exim4-daemon-light").ok_or("Exim cannot be had")
    }

    /// Starts it; all mail for others goes to `next`. The calling thread gets a name space with Exim's account.
    pub fn start(root: &Path, next: SocketAddr) -> Self {
        Self::start_with(root, &[("*", next)])
    }

    /// As [`Exim::start`]; mail for each domain of `routes` goes on to that address.
    pub fn start_with(root: &Path, routes: &[(&str, SocketAddr)]) -> Self {
        let scratch = tempfile::Builder::new().prefix("exim-").tempdir().expect("a directory");
        let top = scratch.path();
        fs::set_permissions(top, fs::Permissions::from_mode(0o755)).unwrap();
        let ids = space::add_accounts(top, &["Debian-exim"]);
        for name in ["spool", "log", "mail"] {
            fs::create_dir(top.join(name)).unwrap();
            chown(top.join(name), Some(ids[0]), Some(ids[0])).unwrap();
        }
        let address = free_address();
        fs::write(top.join("conf"), configuration(top, root, ids[0], address, routes)).unwrap();
        let child = program(root, "usr/sbin/exim4")
            .arg("-C")
            .arg(top.join("conf"))
            .args(["-bdf", "-q1h"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("Exim");
        let exim = Self { scratch, child, address };
        deadline("Exim listens", || TcpStream::connect(address).is_ok());
        exim
    }

    /// The Maildir of all its users.
    pub fn maildir(&self) -> PathBuf {
        self.scratch.path().join("mail")
    }
}

impl Drop for Exim {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for name in ["mainlog", "paniclog"] {
                let text = fs::read_to_string(self.scratch.path().join("log").join(name)).unwrap_or_default();
                eprintln!("Exim's {name}:\n{text}");
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configuration(
    top: &Path,
    root: &Path,
    id: u32,
    address: SocketAddr,
    routes: &[(&str, SocketAddr)],
) -> String {
    let port = address.port();
    let route = |(domain, to): &(&str, SocketAddr)| format!("{domain} {}::{} byname", to.ip(), to.port());
    let routes = routes.iter().map(route).collect::<Vec<_>>().join(" ; ");
    let (top, root) = (top.display(), root.display());
    format!(
        "exim_path = {root}/usr/sbin/exim4
spool_directory = {top}/spool
log_file_path = {top}/log/%slog
pid_file_path = {top}/pid
primary_hostname = mx.{DOMAIN}
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
smtp_accept_max = 0
smtp_accept_queue_per_connection = 0
tls_advertise_hosts =
acl_smtp_rcpt = accept
acl_smtp_data = accept
host_lookup =
rfc1413_query_timeout = 0s
keep_environment = LD_LIBRARY_PATH
never_users =
begin routers
program:
  driver = accept
  domains = {DOMAIN}
  local_parts = {PROGRAM}
  transport = program
here:
  driver = accept
  domains = {DOMAIN}
  transport = maildir
away:
  driver = manualroute
  route_list = {routes}
  self = send
  transport = smtp
begin transports
smtp:
  driver = smtp
  allow_localhost
  hosts_try_chunking =
maildir:
  driver = appendfile
  directory = {top}/mail
  maildir_format
  user = {id}
  group = {id}
program:
  driver = pipe
  use_shell
  command = cat >{top}/mail/new/\\$\\$
  user = {id}
  group = {id}
begin retry
* * F,1h,1m
"
    )
}
