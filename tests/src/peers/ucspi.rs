//! Programs of ucspi-tcp: tcpserver in front of one of ours, tcprules, rblsmtpd.

use super::package::Package;
use crate::{World, place};
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A running tcpserver.
#[derive(Debug)]
pub struct Tcpserver {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

/// A program of the package; `None`: the test is to be skipped.
pub fn program(name: &str) -> Option<PathBuf> {
    place::program_of("ucspi-tcp", name)
}

impl Tcpserver {
    /// Starts `tcpserver` with these options in front of a program of the world.
    pub fn start(world: &World, tcpserver: &Path, options: &[&str], program: &[&Path]) -> Self {
        Self::start_with(world, tcpserver, &[], options, program)
    }

    /// As [`Tcpserver::start`], with these variables.
    pub fn start_with(
        world: &World,
        tcpserver: &Path,
        variables: &[(&str, &str)],
        options: &[&str],
        program: &[&Path],
    ) -> Self {
        let mut copy = world.scratch().join("tcpserver");
        if !copy.exists() {
            copy = world.borrow(tcpserver);
        }
        let mut command = world.foreign_program(&copy);
        command.stderr(Stdio::null());
        Self::listening(command, variables, options, program)
    }

    /// The same on a copy of the package, with these variables; `None`, said aloud, without the package.
    pub fn before(world: &World, variables: &[(&str, &str)], program: &[&str]) -> Option<Self> {
        let package = Package::lend("ucspi-tcp", world)?;
        Some(Self::listening(package.command(world, "usr/bin/tcpserver"), variables, &[], program))
    }

    /// As [`Tcpserver::before`], in a world as root; the program runs as that account.
    pub fn before_as(
        world: &World,
        account: &str,
        variables: &[(&str, &str)],
        program: &[&str],
    ) -> Option<Self> {
        if account == "root" {
            return Self::before(world, variables, program);
        }
        let account = world.accounts().named(account);
        let (uid, gid) = (account.uid.to_string(), account.gid.to_string());
        let package = Package::lend("ucspi-tcp", world)?;
        let command = package.command(world, "usr/bin/tcpserver");
        Some(Self::listening(command, variables, &["-u", &uid, "-g", &gid], program))
    }

    fn listening(
        mut tcpserver: Command,
        variables: &[(&str, &str)],
        options: &[&str],
        program: &[impl AsRef<OsStr>],
    ) -> Self {
        // -1 prints the port, once it listens.
        tcpserver
            .envs(variables.iter().copied())
            .args(["-1", "-R", "-H", "-l", "here.example"])
            .args(options)
            .args(["127.0.0.1", "0"])
            .args(program)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut child = tcpserver.spawn().expect("tcpserver");
        let mut port = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut port).expect("a port");
        Self { child, address: format!("127.0.0.1:{}", port.trim()).parse().expect("a port") }
    }
}

impl Drop for Tcpserver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes the database `file` of `rules`, as an administrator does.
pub fn make_rules(tcprules: &Path, file: &Path, rules: &str) {
    let mut child = Command::new(tcprules)
        .arg(file)
        .arg(file.with_extension("tmp"))
        .stdin(Stdio::piped())
        .spawn()
        .expect("tcprules");
    child.stdin.take().expect("a pipe").write_all(rules.as_bytes()).expect("it reads");
    assert!(child.wait().expect("it ends").success());
}
