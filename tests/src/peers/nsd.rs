//! A name server of its own: nsd with one zone, on port 53 of a loopback address in a private network.

use super::program;
use crate::place::{deadline, is_root, package};
use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

/// A running name server.
#[derive(Debug)]
pub struct Nsd {
    _scratch: tempfile::TempDir,
    child: Child,
}

impl Nsd {
    /// Whether it can run here; else why not.
    pub fn can_run() -> Result<PathBuf, &'static str> {
        if !is_root() {
            return Err("a private network with a name server wants root");
        }
        package("nsd").ok_or("nsd cannot be had")
    }

    /// Serves `zone` (a master file without the SOA and NS records) for the name `origin`.
    pub fn start(root: &Path, ip: &str, origin: &str, zone: &str) -> Self {
        let scratch = tempfile::Builder::new().prefix("nsd-").tempdir().expect("a directory");
        let top = scratch.path();
        let head = format!(
            "$ORIGIN {origin}.\n$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A {ip}\n"
        );
        fs::write(top.join("zone"), head + zone).unwrap();
        let here = top.display();
        let configuration = format!(
            "server:\n  ip-address: {ip}\n  username: \"\"\n  chroot: \"\"\n  database: \"\"\n  zonesdir: \"{here}\"\n  \
             pidfile: \"{here}/pid\"\n  xfrdfile: \"{here}/xfrd\"\n  zonelistfile: \"{here}/zones\"\n  xfrdir: \"{here}\"\n  \
             server-count: 1\n  rrl-ratelimit: 0\nremote-control:\n  control-enable: no\nzone:\n  name: \"{origin}\"\n  zonefile: \"zone\"\n"
        );
        fs::write(top.join("conf"), configuration).unwrap();
        let log = fs::File::create(top.join("log")).unwrap();
        let child = program(root, "usr/sbin/nsd")
            .arg("-d")
            .arg("-c")
            .arg(top.join("conf"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("nsd");
        let server = Self { _scratch: scratch, child };
        deadline("nsd answers", || answers(ip, origin));
        server
    }
}

impl Drop for Nsd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks for the SOA record of a name and hears whether anybody answers.
fn answers(ip: &str, name: &str) -> bool {
    let mut question = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        question.push(u8::try_from(label.len()).expect("a short label"));
        question.extend(label.bytes());
    }
    question.extend([0, 0, 6, 0, 1]);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let mut answer = [0; 512];
    socket.send_to(&question, (ip, 53)).is_ok() && socket.recv_from(&mut answer).is_ok()
}
