//! How qmail-send starts, or says why it cannot (contract 7.2).

use std::fs::OpenOptions;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use contracts::spawn::SPAWN_SLOTS;
use nix::fcntl::{FcntlArg, FdFlag, Flock, FlockArg, OFlag, fcntl};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use queue::Queue;
use schedule::Config;
use telemetry::{Line, Opening};

use crate::cleaner::Cleaner;
use crate::log::Log;
use crate::settings::Settings;
use crate::spawner::Spawner;
use crate::trigger::Trigger;
use crate::turn::Manager;
use crate::work::Work;

/// The exit code of a program that cannot start or go on: temporary.
const EXIT_TEMPORARY: u8 = 111;

/// Descriptors 0 to 6 as qmail-start opens them (contract 5.1).
#[derive(Debug)]
pub struct Descriptors {
    /// 0: the log.
    pub log: OwnedFd,
    /// 1 and 2: commands to qmail-lspawn, reports from it.
    pub local: (OwnedFd, OwnedFd),
    /// 3 and 4: the same for qmail-rspawn.
    pub remote: (OwnedFd, OwnedFd),
    /// 5 and 6: requests to qmail-clean, its answers.
    pub clean: (OwnedFd, OwnedFd),
}

impl Descriptors {
    /// Takes over what was opened for us. Call once, at the start of `main`. `None` if one is missing.
    pub fn inherited() -> Option<Self> {
        let take = |number| {
            let fd = os::process::inherited_fd(number)?;
            // No program that puts a bounce into the queue has any business with these.
            fcntl(&fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).ok()?;
            Some(fd)
        };
        Some(Self {
            log: take(0)?,
            local: (take(1)?, take(2)?),
            remote: (take(3)?, take(4)?),
            clean: (take(5)?, take(6)?),
        })
    }
}

/// Runs qmail-send in the installation at `home` until it is told to stop. Returns its exit code.
pub fn run(home: &Path, descriptors: Descriptors) -> u8 {
    let mut log = Log::new(descriptors.log);
    // Closed after the log has been told: those behind them end then, and whoever sees that may end us.
    let mut peers = Some((descriptors.local, descriptors.remote, descriptors.clean));
    match prepare(home, &mut log, &mut peers) {
        Ok((parts, _lock)) => {
            let (manager, first) = Manager::new(home, log, parts);
            manager.run(first);
            0
        }
        Err(why) => {
            log.line(Line::CannotStart(why));
            log.flush_all();
            EXIT_TEMPORARY
        }
    }
}

/// What the loop works with.
pub(crate) struct Parts {
    pub(crate) settings: Settings,
    pub(crate) spawners: [Spawner; 2],
    pub(crate) cleaner: Cleaner,
    pub(crate) signals: SignalFd,
    pub(crate) trigger: Option<Trigger>,
    pub(crate) work: Work,
    pub(crate) config: Config,
}

type Pipes = (OwnedFd, OwnedFd);

/// The steps in the order of the original, which decides what is complained about first.
fn prepare(
    home: &Path,
    log: &mut Log,
    peers: &mut Option<(Pipes, Pipes, Pipes)>,
) -> Result<(Parts, Flock<std::fs::File>), Opening> {
    std::env::set_current_dir(home).map_err(|_| Opening::Home)?;
    let mut warnings = Vec::new();
    let settings = Settings::read(home, &mut |warning| warnings.push(warning)).map_err(|unreadable| {
        log.line(Line::Setting(&unreadable.why().to_string()));
        Opening::Controls
    })?;
    for warning in warnings {
        log.line(Line::Setting(&warning.to_string()));
    }
    let queue_directory = home.join("queue");
    std::env::set_current_dir(&queue_directory).map_err(|_| Opening::Queue)?;
    let signals = signals().map_err(|_| Opening::Queue)?;
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    let lock = lock(&queue_directory)?;
    let queue = Queue::open(home).map_err(|error| {
        if error.raw_os_error().is_none() {
            log.line(Line::Warning("", &error.to_string(), ""));
        }
        Opening::Queue
    })?;

    let (local, remote, clean) = peers.take().ok_or(Opening::NoSpawner)?;
    let mut spawners = [
        Spawner::new(local.0, local.1).map_err(|_| Opening::NoSpawner)?,
        Spawner::new(remote.0, remote.1).map_err(|_| Opening::NoSpawner)?,
    ];
    let mut concurrency = [0; 2];
    for ((spawner, wanted), slots) in spawners.iter_mut().zip(settings.concurrency).zip(&mut concurrency) {
        let most = spawner.greeting().ok_or(Opening::NoSpawner)?;
        let wanted = u16::try_from(wanted).unwrap_or(u16::MAX);
        let most = if most == SPAWN_SLOTS && wanted > u16::from(most) { spawner.widen() } else { None }
            .unwrap_or(u16::from(most));
        *slots = wanted.min(most);
    }
    let config = Config { concurrency, lifetime: settings.lifetime };
    let cleaner = Cleaner::new(clean.0, clean.1).map_err(|_| Opening::Queue)?;
    let trigger = Trigger::open(&queue_directory).ok();
    if trigger.is_none() {
        log.line(Line::Warning(
            "unable to open ",
            "lock/trigger",
            "; new mail waits for the next scan of todo",
        ));
    }
    let work = Work::new(home.to_path_buf(), queue).map_err(|_| Opening::Queue)?;
    Ok((Parts { settings, spawners, cleaner, signals, trigger, work, config }, lock))
}

/// TERM, ALRM and HUP come as readable bytes, to the main thread only.
fn signals() -> io::Result<SignalFd> {
    let mut set = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGALRM, Signal::SIGHUP] {
        set.add(signal);
    }
    set.thread_block()?;
    Ok(SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?)
}

/// One qmail-send a queue, old or new: the same flock as the original's.
fn lock(queue: &Path) -> Result<Flock<std::fs::File>, Opening> {
    let nonblocking = OFlag::O_NONBLOCK.bits();
    let file = OpenOptions::new().write(true).custom_flags(nonblocking).open(queue.join("lock/sendmutex"));
    let file = file.map_err(|_| Opening::Mutex)?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| Opening::Running)
}
