//! An OpenSMTPD of its own: production defaults, one listener, mail for `opensmtpd.example` into a Maildir.
//!
//! Its places are compiled in. It sees an empty /var with its queue in it, and its helpers where it looks for them, in the
//! name space of the calling thread; nothing of the machine is changed.

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
pub const DOMAIN: &str = "opensmtpd.example";

/// The mailbox whose mail goes to a program.
pub const PROGRAM: &str = "program";

/// Where its helpers must be.
const HELPERS: &str = "/usr/libexec/opensmtpd";

/// A running OpenSMTPD.
#[derive(Debug)]
pub struct OpenSmtpd {
    scratch: tempfile::TempDir,
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// The group that its `sendmail` is set to.
    pub queue_group: u32,
}

impl OpenSmtpd {
    /// Whether it can run here; else why not.
    pub fn can_run() -> Result<PathBuf, &'static str> {
        if !is_root() {
            return Err("OpenSMTPD wants to be started by root");
        }
        if std::env::temp_dir().starts_with("/var") {
            return Err("OpenSMTPD gets a /var of its own, and the scratch directory is in it");
        }
        if !Path::new("/usr/libexec").is_dir() {
            return Err("OpenSMTPD looks for its helpers in /usr/libexec, which is not there");
        }
        package("opensmtpd").ok_or("OpenSMTPD cannot be had")
    }

    /// Starts it. Mail for each domain of `routes` goes on to that address; the calling thread gets a name space with
    /// OpenSMTPD's accounts and places.
    pub fn start(root: &Path, routes: &[(&str, SocketAddr)]) -> Self {
        let scratch = tempfile::Builder::new().prefix("opensmtpd-").tempdir().expect("a directory");
        let top = scratch.path();
        fs::set_permissions(top, fs::Permissions::from_mode(0o755)).unwrap();
        let ids = space::add_accounts(top, &["opensmtpd", "opensmtpq", "box"]);
        for name in ["spool", "mail", "mail/tmp", "mail/new", "mail/cur"] {
            fs::create_dir(top.join(name)).unwrap();
        }
        for name in ["mail", "mail/tmp", "mail/new", "mail/cur"] {
            chown(top.join(name), Some(ids[2]), Some(ids[2])).unwrap();
        }
        fs::set_permissions(top.join("spool"), fs::Permissions::from_mode(0o711)).unwrap();
        space::cover(Path::new("/var"), &["run", "tmp", "mail", "spool/smtpd", "lib/opensmtpd/empty"]);
        space::show_at(&top.join("spool"), Path::new("/var/spool/smtpd"));
        space::cover(Path::new("/usr/libexec"), &["opensmtpd"]);
        space::show_at(&root.join(HELPERS.trim_start_matches('/')), Path::new(HELPERS));
        let address = free_address();
        fs::write(top.join("conf"), configuration(top, address, routes)).unwrap();
        let log = fs::File::create(top.join("log")).unwrap();
        let child = program(root, "usr/sbin/smtpd")
            .args(["-d", "-f"])
            .arg(top.join("conf"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("OpenSMTPD");
        let server = Self { scratch, child, address, queue_group: ids[1] };
        deadline("OpenSMTPD listens", || TcpStream::connect(address).is_ok());
        server
    }

    /// The Maildir of all its users.
    pub fn maildir(&self) -> PathBuf {
        self.scratch.path().join("mail")
    }

    /// What it says about itself.
    pub fn log(&self) -> String {
        fs::read_to_string(self.scratch.path().join("log")).unwrap_or_default()
    }
}

impl Drop for OpenSmtpd {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("OpenSMTPD said:\n{}", self.log());
        }
        let _ = kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(0)), Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

/// Defaults, but for places, where mail goes, and how many messages a session may bring: the default of 100 would only
/// make a client connect again.
fn configuration(top: &Path, address: SocketAddr, routes: &[(&str, SocketAddr)]) -> String {
    let (top, ip, port) = (top.display(), address.ip(), address.port());
    let mut text = format!(
        "listen on {ip} port {port} hostname mx.{DOMAIN}
smtp limit max-mails 1000000
table users {{ \"@{DOMAIN}\" = \"box\" }}
action \"maildir\" maildir \"{top}/mail\" user box virtual <users>
action \"program\" mda \"cat >{top}/mail/new/$$\" user box virtual <users>
match from any for rcpt-to \"{PROGRAM}@{DOMAIN}\" action \"program\"
match from any for domain \"{DOMAIN}\" action \"maildir\"
"
    );
    for (number, (domain, to)) in routes.iter().enumerate() {
        writeln!(text, "action \"away{number}\" relay host \"smtp+notls://{}:{}\"", to.ip(), to.port())
            .unwrap();
        writeln!(text, "match from any for domain \"{domain}\" action \"away{number}\"").unwrap();
    }
    text
}
