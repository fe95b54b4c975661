//! The supervisor with small scripts in the place of the programs: what dies comes back, TERM ends all.
//!
//! ```text
//! test --> this test as supervisor --> bin/qmail-send, bin/qmail-lspawn, ... (scripts, each says that it runs;
//!                                      those that hear signals become this test once more)
//! ```

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test, which clippy cannot tell"
)]

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::{Pid, write};
use supervise::Roles;
use supervise::supervisor::{Setting, run};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("--supervise") => return be_supervisor(&arguments),
        Some("--stand-in") => return be_stand_in(&arguments),
        Some("--list") if arguments.iter().any(|a| a == "--ignored") => return,
        Some("--list") => return TESTS.iter().for_each(|(name, _)| println!("{name}: test")),
        _ => {}
    }
    let wanted =
        |name: &str| arguments.iter().find(|a| !a.starts_with('-')).is_none_or(|a| name.contains(a.as_str()));
    for (name, test) in TESTS.iter().filter(|(name, _)| wanted(name)) {
        test();
        println!("test {name} ... ok");
    }
}

const TESTS: &[(&str, fn())] = &[
    ("what_is_killed_comes_back_and_term_ends_all", what_is_killed_comes_back_and_term_ends_all),
    ("the_delivery_programs_die_together", the_delivery_programs_die_together),
    ("a_missing_program_is_told_and_the_rest_runs", a_missing_program_is_told_and_the_rest_runs),
    ("who_dies_first_is_not_blamed_for_following", who_dies_first_is_not_blamed_for_following),
    ("nobody_waits_at_a_door_that_nobody_opens", nobody_waits_at_a_door_that_nobody_opens),
    ("a_killed_supervisor_leaves_nothing_behind", a_killed_supervisor_leaves_nothing_behind),
    ("log_lines_wait_for_a_logger_that_comes_back", log_lines_wait_for_a_logger_that_comes_back),
];

fn what_is_killed_comes_back_and_term_ends_all() {
    let mut system = System::start(&[]);
    system.wait_for("quail: control/programtimeout line 1: \"never\" is not a number of seconds");
    system.wait_for("qmail-smtpd 1 sockets");
    system.wait_for("qmail-queued 1 sockets");
    let socket = system.dir.path().join("run/queue");
    assert_eq!(socket.metadata().unwrap().permissions().mode() & 0o777, 0o666);
    let first = system.pid("qmail-smtpd");
    kill(first, Signal::SIGKILL).unwrap();
    system.wait_for(&format!("quail: qmail-smtpd[{first}] died (signal 9), starting again in 1 s"));
    system.wait_until(|s| s.pid("qmail-smtpd") != first);
    system.signal(Signal::SIGHUP);
    system.wait_for("qmail-send hears HUP");
    system.end();
    assert!(system.log().ends_with("qmail-send ends\n"), "{}", system.log());
    assert!(!socket.exists());
}

fn the_delivery_programs_die_together() {
    let mut system = System::start(&[]);
    system.wait_for("qmail-clean runs");
    let programs = ["qmail-send", "qmail-lspawn", "qmail-rspawn", "qmail-clean"];
    let first = programs.map(|name| system.pid(name));
    let [_, lspawn, ..] = first;
    kill(lspawn, Signal::SIGKILL).unwrap();
    system.wait_for(&format!("quail: qmail-lspawn[{lspawn}] died (signal 9), starting again in 1 s"));
    system.wait_until(|s| programs.map(|name| s.pid(name)).iter().zip(first).all(|(new, old)| *new != old));
    // One line for all four.
    assert_eq!(system.log().matches("starting again").count(), 1);
    system.end();
}

fn a_missing_program_is_told_and_the_rest_runs() {
    let mut system = System::start_without(&[], &["qmail-smtpd"]);
    system.wait_for("quail: qmail-smtpd cannot be started (file does not exist), starting again in 1 s");
    system.wait_for("qmail-send runs");
    system.end();
}

fn who_dies_first_is_not_blamed_for_following() {
    let mut system = System::start(&[]);
    system.wait_for("qmail-send runs");
    // qmail-clean sees its pipe close and ends; qmail-send, which closed it, only when it is told of that.
    let send = system.pid("qmail-send");
    let program = system.dir.path().join("bin/qmail-send");
    let script = std::fs::read_to_string(&program).unwrap();
    write_program(&program, &script.replace("--stand-in send", "--stand-in dying"));
    kill(send, Signal::SIGKILL).unwrap();
    system.wait_for("died (exit 111), starting again in 2 s");
    write_program(&program, &script);
    assert!(!system.log().contains("died (exit 0)"), "{}", system.log());
    system.end();
}

fn nobody_waits_at_a_door_that_nobody_opens() {
    let mut system = System::start(&[]);
    system.wait_for("qmail-queued 1 sockets");
    let socket = system.dir.path().join("run/queue");
    let program = system.dir.path().join("bin/qmail-queued");
    let script = std::fs::read_to_string(&program).unwrap();
    std::fs::remove_file(&program).unwrap();
    kill(system.pid("qmail-queued"), Signal::SIGKILL).unwrap();
    system.wait_for("qmail-queued cannot be started (file does not exist), starting again in 2 s");
    system.wait_until(|_| !socket.exists());
    write_program(&program, &script);
    system.wait_until(|_| socket.exists());
    system.end();
}

fn a_killed_supervisor_leaves_nothing_behind() {
    let mut system = System::start(&[]);
    system.wait_for("qmail-smtpd 1 sockets");
    system.wait_for("qmail-send runs");
    // qmail-queued, which is a script here, would see the end of its lifeline.
    let all = ["qmail-send", "qmail-lspawn", "qmail-rspawn", "qmail-clean", "qmail-smtpd"]
        .map(|name| system.pid(name));
    let queued = system.pid("qmail-queued");
    system.supervisor.kill().unwrap();
    system.supervisor.wait().unwrap();
    let gone = |pid: &Pid| !Path::new(&format!("/proc/{pid}/fd/0")).exists();
    eventually(|| all.iter().all(gone).then_some(())).unwrap_or_else(|| panic!("{}", system.log()));
    assert!(system.log().contains("qmail-send ends"));
    kill(queued, Signal::SIGTERM).unwrap();
}

fn log_lines_wait_for_a_logger_that_comes_back() {
    let logger = "#!/bin/sh\necho $$ >\"$0.pid.new\"; mv \"$0.pid.new\" \"$0.pid\"\nwhile read -r line; do echo \"logged: $line\"; done\n";
    let mut system = System::start(&[logger]);
    system.wait_for("logged: qmail-send runs");
    let first = system.pid("logger");
    kill(first, Signal::SIGKILL).unwrap();
    system.wait_for("died (signal 9), starting again in 1 s");
    assert_ne!(system.pid("logger"), first);
    system.end();
    assert!(system.log().contains("logged: qmail-send ends"), "{}", system.log());
}

/// `--supervise HOME [LOGGER]`: what bin/quail-start does, as whoever runs the test.
fn be_supervisor(arguments: &[String]) {
    let home = arguments.get(1).unwrap();
    let output = os::process::inherited_fd(1).unwrap();
    let setting = Setting {
        home: home.into(),
        roles: Roles::default(),
        default_delivery: "./Mailbox".into(),
        logger: arguments.iter().skip(2).map(Into::into).collect(),
        sockets: Vec::new(),
        output,
    };
    run(setting).unwrap();
}

/// `--stand-in server|send|dying NAME`: a program that says that it runs and then waits for signals.
fn be_stand_in(arguments: &[String]) {
    let (kind, name) = (arguments.get(1).unwrap().as_str(), arguments.get(2).unwrap());
    let mut heard = SigSet::empty();
    heard.add(Signal::SIGTERM);
    if kind == "send" {
        heard.add(Signal::SIGHUP);
    }
    heard.thread_block().unwrap();
    // qmail-send's log is its descriptor 0.
    let say = |what: &str| write(std::io::stdin(), format!("{name} {what}\n").as_bytes()).unwrap();
    match kind {
        "server" => {
            let sockets = std::env::var("LISTEN_FDS").unwrap_or_default();
            write(std::io::stderr(), format!("{name} {sockets} sockets\n").as_bytes()).unwrap();
            heard.wait().unwrap();
        }
        "send" => {
            say("runs");
            while heard.wait().unwrap() == Signal::SIGHUP {
                say("hears HUP");
            }
            say("ends");
        }
        _ => {
            say("runs");
            drop([5, 6].map(|fd| os::process::inherited_fd(fd).unwrap()));
            heard.wait().unwrap();
            std::process::exit(111);
        }
    }
}

struct System {
    dir: tempfile::TempDir,
    supervisor: Child,
}

/// Every program says that it runs and how many sockets it got, and keeps its number in a file.
const HEAD: &str = "#!/bin/sh\nname=${0##*/}\necho $$ >\"$0.pid.new\"; mv \"$0.pid.new\" \"$0.pid\"\n";

impl System {
    fn start(logger: &[&str]) -> Self {
        Self::start_without(logger, &[])
    }

    fn start_without(logger: &[&str], missing: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path();
        for path in ["bin", "control", "run"] {
            std::fs::create_dir(home.join(path)).unwrap();
        }
        std::fs::write(home.join("control/smtplisten"), "127.0.0.1:0\n").unwrap();
        std::fs::write(home.join("control/programtimeout"), "never\n").unwrap();
        let filter = "echo \"$name runs\" >&2\nwhile read -r line; do :; done\n";
        let this = std::env::current_exe().unwrap();
        let stand_in = |kind: &str| format!("exec '{}' --stand-in {kind} \"$name\"\n", this.display());
        let (server, send) = (stand_in("server"), stand_in("send"));
        for (name, script) in [
            ("qmail-send", send.as_str()),
            ("qmail-lspawn", filter),
            ("qmail-rspawn", filter),
            ("qmail-clean", filter),
            ("qmail-queued", &server),
            ("qmail-smtpd", &server),
        ] {
            if !missing.contains(&name) {
                write_program(&home.join("bin").join(name), &format!("{HEAD}{script}"));
            }
        }
        let log = std::fs::File::create(home.join("log")).unwrap();
        let mut command = Command::new(this);
        command.arg("--supervise").arg(home).env("QUAIL_HOME", home);
        for script in logger {
            write_program(&home.join("bin/logger"), script);
            command.arg(home.join("bin/logger"));
        }
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        Self { supervisor: command.spawn().unwrap(), dir }
    }

    fn log(&self) -> String {
        let mut text = String::new();
        std::fs::File::open(self.dir.path().join("log")).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    /// Of the program that runs, or is about to run, under this name, as it says itself.
    fn pid(&self, name: &str) -> Pid {
        let file = self.dir.path().join("bin").join(format!("{name}.pid"));
        let text = eventually(|| std::fs::read_to_string(&file).ok());
        let text = text.unwrap_or_else(|| panic!("{name} does not start: {}", self.log()));
        Pid::from_raw(text.trim().parse().unwrap())
    }

    fn wait_for(&mut self, text: &str) {
        self.wait_until(|system| system.log().contains(text));
    }

    fn wait_until(&mut self, so: impl Fn(&Self) -> bool) {
        let seen = eventually(|| {
            assert!(self.supervisor.try_wait().unwrap().is_none(), "it ended: {}", self.log());
            so(self).then_some(())
        });
        assert!(seen.is_some(), "waited too long: {}", self.log());
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.supervisor.id().try_into().unwrap()), signal).unwrap();
    }

    fn end(&mut self) {
        self.signal(Signal::SIGTERM);
        assert!(self.supervisor.wait().unwrap().success(), "{}", self.log());
    }
}

impl Drop for System {
    fn drop(&mut self) {
        // After a failed test: twice TERM kills everything.
        if let Ok(None) = self.supervisor.try_wait() {
            self.signal(Signal::SIGTERM);
            self.signal(Signal::SIGINT);
            let _ = self.supervisor.wait();
        }
    }
}

fn write_program(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::rename(&new, path).unwrap();
}

/// Looks again and again, for a while, until there is something to see: for what another process does and nobody tells.
fn eventually<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + Duration::from_secs(20);
    while Instant::now() < end {
        if let Some(seen) = look() {
            return Some(seen);
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    None
}
