//! Other people's programs, run from unpacked packages on loopback ports.
//!
//! Mail servers want to be started by root and to have accounts. They get accounts of a private account file, in the name
//! space of the calling thread; without root, tests with them are skipped.

pub mod dovecot;
pub mod exim;
pub mod nsd;
pub mod opensmtpd;
pub mod original;
pub mod package;
pub mod postfix;
pub mod simulated;
pub mod ucspi;

use std::path::Path;
use std::process::Command;

/// A program of an unpacked package, with the libraries that came along.
fn program(root: &Path, path: &str) -> Command {
    let mut command = Command::new(root.join(path));
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LD_LIBRARY_PATH", libraries(root));
    command
}

/// Where an unpacked package keeps its libraries.
fn libraries(root: &Path) -> String {
    let mut places = vec![
        root.join("usr/lib"),
        root.join("lib"),
        root.join("usr/lib/postfix"),
        root.join("usr/lib/dovecot"),
    ];
    for lib in ["usr/lib", "lib"] {
        let entries = root.join(lib).read_dir().into_iter().flatten().filter_map(Result::ok);
        places.extend(entries.map(|e| e.path()).filter(|p| p.to_string_lossy().ends_with("-linux-gnu")));
    }
    places.iter().filter(|p| p.is_dir()).map(|p| p.display().to_string()).collect::<Vec<_>>().join(":")
}

/// As the tests want it that run such a program themselves; nothing for one that is installed.
pub fn libraries_of(name: &str) -> String {
    crate::place::package(name).map(|root| libraries(&root)).unwrap_or_default()
}

/// A port that nobody uses now.
fn free_address() -> std::net::SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port")
}
