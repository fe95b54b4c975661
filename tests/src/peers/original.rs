//! The original: the programs of an installed qmail, netqmail or notqmail, in a world of their own.
//!
//! Only the directory's `bin` is used: its programs are copied over ours into a new tree with a queue of its own, which is
//! shown to them, in the name space of the calling thread, at the home that is compiled into them. What is installed is
//! left alone. Since notqmail 1.07 accounts are looked up by name; older programs have their numbers compiled in and run
//! only where these happen to be the same.

use super::program;
use crate::place::{deadline, package};
use crate::{World, space};
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

/// Sessions at once: more than any load has.
const SESSIONS: &str = "1000";

/// What must be in `bin`.
const PROGRAMS: [&str; 12] = [
    "qmail-clean",
    "qmail-getpw",
    "qmail-inject",
    "qmail-local",
    "qmail-lspawn",
    "qmail-newu",
    "qmail-queue",
    "qmail-remote",
    "qmail-rspawn",
    "qmail-send",
    "qmail-smtpd",
    "qmail-start",
];

/// A running one.
#[derive(Debug)]
pub struct Original {
    world: World,
    children: Vec<Child>,
}

impl Original {
    /// Whether the installation in `directory` can run here, with the tree of the tcpserver to run it with; else why not.
    pub fn can_run(directory: &Path) -> Result<PathBuf, String> {
        if !crate::place::is_root() {
            return Err("the original wants its own accounts, which only root can give it".to_owned());
        }
        let bin = directory.join("bin");
        if let Some(name) = PROGRAMS.iter().find(|name| !bin.join(name).is_file()) {
            return Err(format!("{} has no {name}", bin.display()));
        }
        compiled_home(directory)?;
        package("ucspi-tcp").ok_or_else(|| "tcpserver cannot be had".to_owned())
    }

    /// Whether it can stand where an administrator has it; else why not.
    pub fn is_for_the_usual_home(directory: &Path) -> Result<(), String> {
        let home = compiled_home(directory)?;
        if home == Path::new(space::HOME) {
            Ok(())
        } else {
            Err(format!("it is compiled for {}", home.display()))
        }
    }

    /// Puts its programs in the place of ours.
    pub fn replace_programs(world: &World, directory: &Path) {
        let bin = world.home().join("bin");
        for entry in bin.read_dir().expect("our programs").filter_map(Result::ok) {
            fs::remove_file(entry.path()).unwrap();
        }
        for entry in directory.join("bin").read_dir().expect("its programs").filter_map(Result::ok) {
            if entry.path().is_file() {
                fs::copy(entry.path(), bin.join(entry.file_name())).unwrap();
            }
        }
        let home = compiled_home(directory).expect("it was looked at before");
        if home != Path::new(space::HOME) {
            space::show_at(world.home(), &home);
        }
        world.own_all();
    }

    /// Starts it, with tcpserver before qmail-smtpd. The log goes into a file.
    pub fn start(world: World, tcpserver: &Path) -> Self {
        let log_file = world.scratch().join("log");
        let log = fs::File::create(&log_file).unwrap();
        let start = world
            .program("qmail-start")
            .arg("./Maildir/")
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("qmail-start");
        let daemon = world.accounts().named("qmaild");
        let server = program(tcpserver, "usr/bin/tcpserver")
            .env("RELAYCLIENT", "")
            .args(["-HR", "-l", "0", "-c", SESSIONS])
            .args(["-u", &daemon.uid.to_string(), "-g", &daemon.gid.to_string()])
            .args([world.address.ip().to_string(), world.address.port().to_string()])
            .arg(Path::new(space::HOME).join("bin/qmail-smtpd"))
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("tcpserver");
        let address = world.address;
        let original = Self { world, children: vec![start, server] };
        deadline("the original's qmail-send is at work", || {
            fs::read_to_string(&log_file).unwrap_or_default().contains("status: local")
        });
        deadline("tcpserver listens", || TcpStream::connect(address).is_ok());
        original
    }
}

impl Drop for Original {
    fn drop(&mut self) {
        self.world.kill_all();
        for child in &mut self.children {
            let _ = child.wait();
        }
    }
}

/// Waits until a qmail-send reads the trigger of the usual home: a named pipe that nobody reads cannot be opened for
/// writing at once.
pub fn at_work() {
    use std::os::unix::fs::OpenOptionsExt;
    let at_once = nix::fcntl::OFlag::O_NONBLOCK.bits();
    deadline("qmail-send is at work", || {
        let trigger = Path::new(space::HOME).join("queue/lock/trigger");
        fs::OpenOptions::new().write(true).custom_flags(at_once).open(trigger).is_ok()
    });
}

/// The home that is compiled into it: the directory itself, or the usual one.
fn compiled_home(directory: &Path) -> Result<PathBuf, String> {
    let text = fs::read(directory.join("bin/qmail-send")).map_err(|e| format!("its qmail-send: {e}"))?;
    let is_in = |path: &Path| {
        let wanted = [path.as_os_str().as_encoded_bytes(), b"\0"].concat();
        text.windows(wanted.len()).any(|w| w == wanted)
    };
    [directory, Path::new(space::HOME)]
        .into_iter()
        .find(|p| is_in(p))
        .map(Path::to_path_buf)
        .ok_or_else(|| format!("it is compiled neither for {} nor for {}", directory.display(), space::HOME))
}
