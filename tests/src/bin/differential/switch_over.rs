//! From the original to us and back, under load, in one tree.
//!
//!     sendmail, SMTP ─> tcpserver ─> [ queue ] <─ qmail-send: the original's | ours | the original's | ...
//!
//! The programs of both are exchanged as a whole, in one step, while mail comes in: what is under way then goes on with the
//! other side's programs. As tests/tests/journeys/switch_over.rs, which does the same with a simulated original.

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use nix::sys::signal::Signal;
use quail_tests::peers::{original::Original, ucspi::Tcpserver};
use quail_tests::traffic::{AWAY, Traffic};
use quail_tests::{Sink, World, deadline, space};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often the installation goes to us and back.
const ROUNDS: usize = 20;

/// Messages accepted before the next change of hands.
const MESSAGES: usize = 4;

/// Between two calls to try everything again.
const PACE: Duration = Duration::from_millis(200);

/// An installation that has the programs of both.
struct Both {
    world: World,
    others: PathBuf,
}

impl Both {
    /// With the original's in their place.
    fn new(original: &Path, sink: &Sink) -> Self {
        let world = World::as_root();
        world.control("smtproutes", &format!("{AWAY}:{}\n", sink.route()));
        world.control("smtplisten", "\n");
        // Owners and modes are given to what is in bin: to ours, then to the original's.
        world.own_all();
        let (bin, others) = (world.home().join("bin"), world.home().join("bin.other"));
        fs::rename(&bin, &others).expect("our programs");
        fs::create_dir(&bin).expect("a place for others");
        Original::replace_programs(&world, original);
        Self { world, others }
    }

    /// The programs of the other side.
    fn exchange(&self) {
        let bin = self.world.home().join("bin");
        renameat2(AT_FDCWD, &bin, AT_FDCWD, &self.others, RenameFlags::RENAME_EXCHANGE)
            .expect("both are there");
    }

    fn hand_over(&mut self, starter: &'static str) {
        self.world.stop_supervised();
        self.exchange();
        self.world.starter = starter;
        self.world.launch();
    }
}

/// Twenty times; every message arrives once.
pub fn twenty_times(original: &Path) {
    let sink = Sink::start();
    let mut both = Both::new(original, &sink);
    let smtpd = both.world.inside().join("bin/qmail-smtpd").display().to_string();
    let server = Tcpserver::before_as(&both.world, "qmaild", &[("RELAYCLIENT", "")], &[&smtpd])
        .expect("tcpserver was there before");
    both.world.starter = "qmail-start";
    both.world.launch();
    let traffic = Traffic::start(&both.world.caller(), server.address, &sink);
    for round in 0..ROUNDS {
        traffic.wait_more(MESSAGES);
        both.world.log.wait("success: ");
        // Who adopts goes on starting qmail-start; who sets up anew starts quail-start.
        both.hand_over(if round % 2 == 0 { "qmail-start" } else { "quail-start" });
        traffic.wait_more(MESSAGES);
        both.world.log.wait("success: ");
        both.hand_over("qmail-start");
    }
    let expected = traffic.finish(&sink);
    let mut last = Instant::now();
    deadline("the original has delivered what waits", || {
        if last.elapsed() > PACE {
            both.world.signal(Signal::SIGALRM);
            last = Instant::now();
        }
        let is_waiting = |f: &String| ["todo/", "info/"].iter().any(|d| f.starts_with(d));
        !both.world.queue_files().iter().any(is_waiting)
    });
    let (messages, copies) = expected.size();
    assert!(messages >= 2 * ROUNDS && copies > messages, "only {messages} messages with {copies} copies");
    let maildir = |name: &str| space::home_of(both.world.scratch(), name).join("Maildir");
    let (missing, extra) = expected.compare(&maildir("joe"), &maildir("ann"), &sink);
    assert!(missing.is_empty() && extra.is_empty(), "missing {missing:?}, too often {extra:?}");
    println!(
        "switch-over: {messages} messages, {copies} copies, {ROUNDS} times to us and back: each there once"
    );
    drop(server);
    both.world.stop_supervised();
}
