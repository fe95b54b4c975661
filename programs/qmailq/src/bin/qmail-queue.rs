//! qmail-queue(8): put one message, read from descriptors 0 and 1, into the queue.
//!
//! Runs setuid qmailq. Callers are hostile: it reads no argument and no variable, opens nothing they name, and parses
//! only the records of `contracts::hand_off`. Logic and tests live in crate `queue`.

use contracts::{QueueExit, QueueId};
use nix::sys::signal::{SigSet, Signal};
use queue::{
    EnqueueError, Queue,
    caller::Roles,
    incoming::{Caller, Qp},
    real::RealDisk,
    tapping::Tapping,
    trigger,
};
use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

/// The longest life of this process.
const ALARM_SECONDS: u32 = 86_400;
/// As the original has it: what killed this program, it says itself.
const FATAL: [Signal; 6] =
    [Signal::SIGILL, Signal::SIGABRT, Signal::SIGFPE, Signal::SIGBUS, Signal::SIGSEGV, Signal::SIGSYS];
const IGNORED: [Signal; 8] = [
    Signal::SIGPIPE,
    Signal::SIGVTALRM,
    Signal::SIGPROF,
    Signal::SIGQUIT,
    Signal::SIGINT,
    Signal::SIGHUP,
    Signal::SIGXCPU,
    Signal::SIGXFSZ,
];

fn main() -> ExitCode {
    let home = os::home::home();
    let exit = match guard().map_err(EnqueueError::Read).and_then(|()| run(home)) {
        Ok(id) => {
            trigger::pull(Path::new("."), id);
            QueueExit::Queued
        }
        Err(error) => QueueExit::from(&error),
    };
    ExitCode::from(exit as u8)
}

/// Gets rid of what a caller could have left to trip over.
fn guard() -> io::Result<()> {
    os::environment::forget();
    os::process::fill_standard_fds()?;
    SigSet::empty().thread_set_mask()?;
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o033));
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CORE, 0, 0)?;
    for signal in IGNORED {
        os::fatal_signal::ignore(signal as i32)?;
    }
    for signal in FATAL {
        os::fatal_signal::exit_on(signal as i32, QueueExit::Bug as u8)?;
    }
    os::fatal_signal::exit_on(Signal::SIGALRM as i32, QueueExit::TimedOut as u8)?;
    nix::unistd::alarm::set(ALARM_SECONDS);
    Ok(())
}

fn run(home: PathBuf) -> Result<QueueId, EnqueueError> {
    std::env::set_current_dir(&home).map_err(EnqueueError::Home)?;
    std::env::set_current_dir("queue").map_err(EnqueueError::Queue)?;
    let uid = nix::unistd::getuid().as_raw();
    let caller = Caller {
        uid,
        by: Roles::of(&home).map_err(EnqueueError::Queue)?.invoked_by(uid),
        now: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        qp: Qp::Process(std::process::id()),
        keep_intd: true,
    };
    let queue = Queue::on(RealDisk::at(Path::new("."))).map_err(EnqueueError::Queue)?;
    // The caller is not to read in our configuration what is wrong with it.
    let queue = queue.with_taps(Tapping::new(&home, |_| {}));
    let (mut message, mut envelope) = (descriptor(0)?, descriptor(1)?);
    queue.enqueue(&caller, &mut message, &mut envelope)
}

fn descriptor(number: i32) -> Result<File, EnqueueError> {
    let fd = os::process::inherited_fd(number);
    fd.map(File::from).ok_or_else(|| EnqueueError::Read(io::ErrorKind::NotFound.into()))
}
