//! `quail-start`: the loop around [`crate::plan`].
//!
//! Listening sockets, `run/queue` and the logger's pipe are ours and stay open while what serves them dies and comes
//! back: connections and log lines wait meanwhile. Signals: TERM and INT stop everything in order, a second one kills;
//! HUP and ALRM go on to `qmail-send`.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Write, pipe};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;
use os::strerror;

use crate::plan::{Action, Event, Plan, Unit};
use crate::program::{Programs, occupy_low_descriptors};
use crate::roles::Roles;
use crate::{delivery, door, listen};

/// What the starter is told.
#[derive(Debug)]
pub struct Setting {
    /// The installation.
    pub home: PathBuf,
    /// Whom the programs become.
    pub roles: Roles,
    /// What an empty `.qmail` means.
    pub default_delivery: OsString,
    /// Program and arguments of the logger, or nothing.
    pub logger: Vec<OsString>,
    /// Sockets that socket activation gave us for the SMTP server, in place of `control/smtplisten`.
    pub sockets: Vec<OwnedFd>,
    /// Descriptor 1: where `qmail-send` logs without a logger, and where the logger writes.
    pub output: OwnedFd,
}

/// Without a descriptor that tells of a child's end, it is looked at this often.
const GLANCE: Duration = Duration::from_secs(1);

/// When `qmail-queued` stays away longer than this, whoever has a message to hand over does not wait for it.
const PATIENCE_AT_THE_DOOR: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Member {
    unit: Unit,
    name: String,
    child: Child,
    end: Option<OwnedFd>,
}

/// What there is to tell about an event.
#[derive(Debug, Default)]
struct Cause {
    text: String,
    /// It ended in order: most likely because another one died, which is then the one to tell about.
    followed: bool,
}

impl Cause {
    fn new(text: String) -> Self {
        Self { text, followed: false }
    }
}

#[derive(Debug)]
struct Supervisor {
    setting: Setting,
    programs: Programs,
    logger_pipe: Option<(PipeReader, PipeWriter)>,
    door: Option<UnixListener>,
    lifeline: (PipeReader, PipeWriter),
    members: Vec<Member>,
    /// Who ended first in a unit that starts again after this time, as long as the culprit may still be found.
    untold: Option<(Unit, Duration, String)>,
    terminating: bool,
}

/// Starts everything and stays until it has been told to stop and all has ended.
pub fn run(setting: Setting) -> io::Result<()> {
    let _held = occupy_low_descriptors()?;
    std::env::set_current_dir("/")?;
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    setting.roles.root.map_or(Ok(()), os::process::become_for_good)?;
    let signals = signals()?;
    let logger_pipe = if setting.logger.is_empty() { None } else { Some(pipe()?) };
    let programs = Programs::In(setting.home.join("bin"));
    let lifeline = pipe()?;
    let mut supervisor = Supervisor {
        setting,
        programs,
        logger_pipe,
        door: None,
        lifeline,
        members: Vec::new(),
        untold: None,
        terminating: false,
    };
    supervisor.open_doors()?;
    supervisor.check_limits();
    let served = supervisor.serve(&signals);
    supervisor.close_door();
    served
}

fn signals() -> io::Result<SignalFd> {
    let mut set = SigSet::empty();
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGALRM].into_iter().for_each(|s| set.add(s));
    set.thread_block()?;
    Ok(SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?)
}

impl Supervisor {
    /// Everything that has to be bound while we may.
    fn open_doors(&mut self) -> io::Result<()> {
        match door::bind(&self.setting.home) {
            Ok(listener) => self.door = Some(listener),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                self.say("somebody answers on run/queue already: is the system running?");
                return Err(error);
            }
            Err(error) => {
                let why = strerror::of(&error);
                self.say(&format!("cannot listen on run/queue ({why}); programs run qmail-queue themselves"));
            }
        }
        if self.setting.sockets.is_empty() {
            let mut problems = Vec::new();
            let addresses = listen::addresses(&self.setting.home, &mut |problem| problems.push(problem));
            for address in addresses {
                match listen::listen(address) {
                    Ok(socket) => self.setting.sockets.push(socket),
                    Err(error) => {
                        problems.push(format!("cannot listen on {address} ({})", strerror::of(&error)))
                    }
                }
            }
            problems.iter().for_each(|problem| self.say(problem));
        }
        for address in self.setting.sockets.iter().filter_map(listen::address_of) {
            self.say(&format!("qmail-smtpd listens on {address}"));
        }
        if self.setting.sockets.is_empty() {
            self.say("no address to listen on: mail comes from local programs only");
        }
        Ok(())
    }

    /// What qmail-local goes by without having anybody to complain to: it runs as the recipient.
    fn check_limits(&self) {
        if let Some(setting) = control::catalogue::setting("programtimeout") {
            let control = control::Control::at(&self.setting.home);
            if let Err(error) = control.number(setting, &mut |warning| self.say(&warning.to_string())) {
                self.say(&error.to_string());
            }
        }
    }

    fn serve(&mut self, signals: &SignalFd) -> io::Result<()> {
        let start = Instant::now();
        let mut plan = Plan::new(|unit| match unit {
            Unit::Logger => self.logger_pipe.is_some(),
            Unit::Queue => self.door.is_some(),
            Unit::Delivery => true,
            Unit::Smtp => !self.setting.sockets.is_empty(),
        });
        loop {
            // What happened, and what there is to tell about it.
            let mut events = vec![(Event::Tick, Cause::default())];
            while let Ok(Some(signal)) = signals.read_signal() {
                events.extend(self.hear(signal.ssi_signo).map(|event| (event, Cause::default())));
            }
            self.reap(&mut events);
            // Carrying out an action may make further events; an event makes a bounded number of actions.
            let mut next = events.into_iter().collect::<std::collections::VecDeque<_>>();
            while let Some((event, cause)) = next.pop_front() {
                for action in plan.handle(event, start.elapsed()) {
                    if action == Action::Leave {
                        return Ok(());
                    }
                    self.carry_out(action, &cause, &mut next);
                }
            }
            let deadline = plan.deadline().map(|deadline| deadline.saturating_sub(start.elapsed()));
            self.wait(signals, deadline)?;
        }
    }

    /// What a signal means.
    fn hear(&mut self, number: u32) -> Option<Event> {
        match i32::try_from(number).ok().and_then(|n| Signal::try_from(n).ok())? {
            Signal::SIGTERM | Signal::SIGINT => {
                self.terminating = true;
                Some(Event::Terminate)
            }
            signal => {
                self.signal(Unit::Delivery, Some("qmail-send"), signal);
                None
            }
        }
    }

    /// Waits for the dead. A unit whose last member this was is gone.
    fn reap(&mut self, events: &mut Vec<(Event, Cause)>) {
        let mut dead = Vec::new();
        self.members.retain_mut(|member| match member.child.try_wait() {
            Ok(None) => true,
            Ok(Some(status)) => {
                let what = format!("{}[{}] died ({})", member.name, member.child.id(), describe(status));
                dead.push((is_in_order(status), member.unit, what));
                false
            }
            Err(error) => {
                dead.push((
                    false,
                    member.unit,
                    format!("{} is lost ({})", member.name, strerror::of(&error)),
                ));
                false
            }
        });
        // Of those that died together, the one to tell about is the one that did not just follow another.
        dead.sort_by_key(|(followed, _, _)| *followed);
        for (followed, unit, text) in dead {
            let gone = self.gone(unit);
            if let Some((_, wait, first)) =
                self.untold.take_if(|(u, ..)| *u == unit && (!followed || gone.is_some()))
            {
                self.say_again(if followed { &first } else { &text }, wait);
            }
            events.push((Event::Died(unit), Cause { text, followed }));
            events.extend(gone);
        }
    }

    fn gone(&self, unit: Unit) -> Option<(Event, Cause)> {
        let is_gone = self.members.iter().all(|member| member.unit != unit);
        is_gone.then(|| (Event::Gone(unit), Cause::default()))
    }

    fn carry_out(
        &mut self,
        action: Action,
        cause: &Cause,
        next: &mut std::collections::VecDeque<(Event, Cause)>,
    ) {
        match action {
            Action::Start(unit) => {
                if let Err((name, error)) = self.start(unit) {
                    let text = format!("{name} cannot be started ({})", strerror::of(&error));
                    next.push_back((Event::Died(unit), Cause::new(text)));
                    next.extend(self.gone(unit));
                }
            }
            Action::Stop(Unit::Delivery) => self.signal(Unit::Delivery, Some("qmail-send"), Signal::SIGTERM),
            // A logger ends by itself when there is nothing more to log; until then it is needed.
            Action::Stop(Unit::Logger) if self.terminating => self.logger_pipe = None,
            Action::Stop(Unit::Logger) => {}
            Action::Stop(unit) => self.signal(unit, None, Signal::SIGTERM),
            Action::Kill(unit) => self.signal(unit, None, Signal::SIGKILL),
            Action::SayAgainIn(unit, wait) if cause.followed && self.gone(unit).is_none() => {
                self.untold = Some((unit, wait, cause.text.clone()));
            }
            Action::SayAgainIn(unit, wait) => {
                self.say_again(&cause.text, wait);
                if unit == Unit::Queue && wait > PATIENCE_AT_THE_DOOR {
                    self.close_door();
                }
            }
            Action::Leave => {}
        }
    }

    fn start(&mut self, unit: Unit) -> Result<(), (String, io::Error)> {
        match unit {
            Unit::Logger => self.start_logger(),
            Unit::Queue => {
                if self.door.is_none() {
                    let door = door::bind(&self.setting.home);
                    self.door = Some(door.map_err(|error| ("qmail-queued".into(), error))?);
                }
                let Some(door) = &self.door else { return Ok(()) };
                let (lifeline, log) = (self.lifeline.0.as_fd(), self.log());
                let log = log.as_ref().map(File::as_fd);
                let child = door::serve(&self.programs, &self.setting.roles, door, lifeline, log)
                    .map_err(|error| ("qmail-queued".into(), error))?;
                self.add(unit, "qmail-queued", child);
                Ok(())
            }
            Unit::Delivery => self.start_delivery(),
            Unit::Smtp => {
                let log = self.log();
                let mut spawn = self.programs.spawn("qmail-smtpd", self.setting.roles.daemon);
                // Or else the ports would stay taken when we are killed.
                spawn.signal_when_orphaned(Signal::SIGTERM);
                spawn.command().arg("--listen").env("LISTEN_FDS", self.setting.sockets.len().to_string());
                let mut fds: Vec<_> = self.setting.sockets.iter().map(OwnedFd::as_fd).zip(3..).collect();
                fds.extend(log.as_ref().map(|log| (log.as_fd(), 2)));
                let child = spawn.start(&fds).map_err(|error| ("qmail-smtpd".into(), error))?;
                self.add(unit, "qmail-smtpd", child);
                Ok(())
            }
        }
    }

    /// Programs that find no socket run qmail-queue themselves, and those that wait behind it are told to try again.
    fn close_door(&mut self) {
        if self.door.take().is_some() {
            let _ = std::fs::remove_file(self.setting.home.join("run/queue"));
        }
    }

    fn start_logger(&mut self) -> Result<(), (String, io::Error)> {
        let (Some((reader, _)), Some((program, arguments))) =
            (&self.logger_pipe, self.setting.logger.split_first())
        else {
            return Ok(());
        };
        let name = program.to_string_lossy().into_owned();
        let child = self
            .programs
            .logger(program, arguments, self.setting.roles.log)
            .start(&[(reader.as_fd(), 0), (self.setting.output.as_fd(), 1)])
            .map_err(|error| (name.clone(), error))?;
        self.add(Unit::Logger, &name, child);
        Ok(())
    }

    fn start_delivery(&mut self) -> Result<(), (String, io::Error)> {
        let log = self.log();
        let errors = log.as_ref().map(File::as_fd);
        let Setting { roles, default_delivery, output, .. } = &self.setting;
        let mut helpers = Vec::new();
        let ends = delivery::start_helpers(&self.programs, roles, default_delivery, errors, &mut helpers);
        let next = ["qmail-lspawn", "qmail-rspawn", "qmail-clean"].get(helpers.len()).copied();
        let send = ends.map_err(|error| (next.unwrap_or("qmail-lspawn").into(), error)).and_then(|ends| {
            let log = errors.unwrap_or(output.as_fd());
            let mut send = self.programs.spawn("qmail-send", roles.send);
            // It ends in order, and then the others do.
            send.signal_when_orphaned(Signal::SIGTERM);
            send.start(&ends.descriptors(log)).map_err(|error| ("qmail-send".into(), error))
        });
        // Those that run are members in any case; without qmail-send they end by themselves.
        for (name, child) in helpers {
            self.add(Unit::Delivery, name, child);
        }
        self.add(Unit::Delivery, "qmail-send", send?);
        Ok(())
    }

    fn add(&mut self, unit: Unit, name: &str, child: Child) {
        let end = os::child::exit_descriptor(&child).ok();
        self.members.push(Member { unit, name: name.into(), child, end });
    }

    /// Where programs log: into the logger's pipe, else to our own output.
    fn log(&self) -> Option<File> {
        let log = match &self.logger_pipe {
            Some((_, writer)) => writer.as_fd().try_clone_to_owned(),
            None => self.setting.output.try_clone(),
        };
        log.ok().map(File::from)
    }

    fn signal(&self, unit: Unit, name: Option<&str>, signal: Signal) {
        let meant = |member: &&Member| member.unit == unit && name.is_none_or(|name| member.name == name);
        for member in self.members.iter().filter(meant) {
            // It has not been waited for, so the number is still its own; dead already is well.
            if let Ok(pid) = i32::try_from(member.child.id()) {
                let _ = kill(Pid::from_raw(pid), signal);
            }
        }
    }

    fn say_again(&self, text: &str, wait: Duration) {
        self.say(&format!("{text}, starting again in {} s", wait.as_secs()));
    }

    /// One line, one write, to the log or else to descriptor 2. Nobody can be told if that fails.
    fn say(&self, text: &str) {
        let line = format!("quail: {text}\n");
        let _ = match &self.logger_pipe {
            Some((_, writer)) => (&mut &*writer).write_all(line.as_bytes()),
            None => io::stderr().write_all(line.as_bytes()),
        };
    }

    fn wait(&self, signals: &SignalFd, deadline: Option<Duration>) -> io::Result<()> {
        let mut fds = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        let ends = self.members.iter().filter_map(|member| member.end.as_ref());
        fds.extend(ends.map(|end| PollFd::new(end.as_fd(), PollFlags::POLLIN)));
        let blind = self.members.iter().any(|member| member.end.is_none());
        let wait = deadline.into_iter().chain(blind.then_some(GLANCE)).min();
        let timeout = wait.map_or(PollTimeout::NONE, |wait| {
            PollTimeout::try_from(wait.saturating_add(Duration::from_micros(999))).unwrap_or(PollTimeout::MAX)
        });
        match poll(&mut fds, timeout) {
            Ok(_) | Err(nix::Error::EINTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Nothing was wrong with it: it had nothing more to do, or it was told to end.
fn is_in_order(status: ExitStatus) -> bool {
    status.success() || status.signal() == Some(Signal::SIGTERM as i32)
}

fn describe(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("signal {signal}"),
        (None, code) => format!("exit {}", code.unwrap_or_default()),
    }
}
