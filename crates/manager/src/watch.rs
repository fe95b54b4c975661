//! The only place where qmail-send waits: `poll` over its descriptors, until something happens or is due.

use std::os::fd::{AsFd, BorrowedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use schedule::Channel;

use crate::turn::{Manager, now};

impl Manager {
    /// Waits for something to happen.
    pub(crate) fn wait(&self) -> Ready {
        let sleep = self.schedule.sleep_millis(now(self.began));
        let sleep = self.parking.sleep_millis().map_or(sleep, |soon| soon.min(sleep));
        // Rounded up by `poll`'s own unit: a millisecond more, never a turn too many.
        let timeout = i32::try_from(sleep)
            .map_or(PollTimeout::MAX, |millis| PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX));
        let sources = self.sources();
        let mut fds: Vec<_> = sources.iter().map(|&(_, fd, flags)| PollFd::new(fd, flags)).collect();
        let mut ready = Ready::default();
        // An error is an interruption; then nothing is ready.
        if poll(&mut fds, timeout).is_err() {
            return ready;
        }
        for (&(source, ..), fd) in sources.iter().zip(&fds) {
            if fd.revents().is_none_or(|events| events.is_empty()) {
                continue;
            }
            match source {
                Source::Signals => ready.signals = true,
                Source::Results => ready.results = true,
                Source::Trigger => ready.trigger = true,
                Source::Clean => ready.clean = true,
                Source::Reports(channel) => ready.reports.push(channel),
                // `flush` writes at the end of each turn.
                Source::Outgoing => {}
            }
        }
        ready
    }

    fn sources(&self) -> Vec<(Source, BorrowedFd<'_>, PollFlags)> {
        let (reads, writes) = (PollFlags::POLLIN, PollFlags::POLLOUT);
        let mut sources = vec![
            (Source::Signals, self.signals.as_fd(), reads),
            (Source::Results, self.work.results.fd(), reads),
        ];
        if let Some(trigger) = &self.trigger {
            sources.push((Source::Trigger, trigger.fd(), reads));
        }
        if self.cleaner.alive {
            sources.push((Source::Clean, self.cleaner.fd(), reads));
            if !self.cleaner.requests.is_empty() {
                sources.push((Source::Outgoing, self.cleaner.requests.fd(), writes));
            }
        }
        for (channel, spawner) in Channel::BOTH.into_iter().zip(&self.spawners) {
            if !spawner.alive {
                continue;
            }
            sources.push((Source::Reports(channel), spawner.fd(), reads));
            if !spawner.commands.is_empty() {
                sources.push((Source::Outgoing, spawner.commands.fd(), writes));
            }
        }
        if !self.log.is_empty() {
            sources.push((Source::Outgoing, self.log.fd(), writes));
        }
        sources
    }
}

/// What `poll` watches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Source {
    Signals,
    Results,
    Trigger,
    Clean,
    Reports(Channel),
    Outgoing,
}

/// What has something to read.
#[derive(Default, Debug)]
pub(crate) struct Ready {
    pub(crate) signals: bool,
    pub(crate) results: bool,
    pub(crate) trigger: bool,
    pub(crate) clean: bool,
    pub(crate) reports: Vec<Channel>,
}
