//! One spawner: commands to it, reports from it (contract 5.2, 5.3).

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use contracts::spawn::{Command, Form, Report, ReportDecoder};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::outlet::Outlet;

/// qmail-lspawn or qmail-rspawn.
#[derive(Debug)]
pub(crate) struct Spawner {
    pub(crate) commands: Outlet,
    reports: File,
    decoder: ReportDecoder,
    form: Form,
    pub(crate) alive: bool,
    buffer: Vec<u8>,
}

/// Whoever greets and then does not answer for so long is asked nothing more.
const WIDE_ANSWER_MILLIS: u16 = 5000;
/// What one read takes.
const READ_BYTES: usize = 16 * 1024;

impl Spawner {
    pub(crate) fn new(commands: OwnedFd, reports: OwnedFd) -> io::Result<Self> {
        Ok(Self {
            commands: Outlet::new(commands)?,
            reports: reports.into(),
            decoder: ReportDecoder::default(),
            form: Form::Classic,
            alive: true,
            buffer: vec![0; READ_BYTES],
        })
    }

    /// Waits for the greeting byte: how many slots it has. `None` when it has gone without one.
    pub(crate) fn greeting(&mut self) -> Option<u8> {
        let mut byte = [0];
        self.reports.read_exact(&mut byte).ok()?;
        byte.first().copied()
    }

    /// Asks for more slots than one byte counts. How many there are; `None` when it is not a spawner of ours.
    pub(crate) fn widen(&mut self) -> Option<u16> {
        self.commands.push(&Command::wide_request().encode());
        self.commands.flush().ok()?;
        let (mut answer, mut lives) = (None, true);
        while answer.is_none() && lives {
            let mut fds = [PollFd::new(self.reports.as_fd(), PollFlags::POLLIN)];
            if poll(&mut fds, PollTimeout::from(WIDE_ANSWER_MILLIS)) == Ok(0) {
                return None;
            }
            lives = self.read(|report| answer = answer.or(report.answers_wide_request()));
        }
        let slots = answer.flatten()?;
        self.form = Form::Wide;
        self.decoder.widen();
        Some(slots)
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.reports.as_fd()
    }

    pub(crate) fn send(&mut self, command: &Command) {
        self.commands.push(&command.encode_as(self.form));
    }

    /// Reads reports. `false` when the spawner is gone.
    pub(crate) fn read(&mut self, report: impl FnMut(Report)) -> bool {
        match self.reports.read(&mut self.buffer) {
            Ok(0) => false,
            Ok(count) => {
                self.decoder.push(self.buffer.get(..count).unwrap_or_default(), report);
                true
            }
            Err(error) => {
                matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock)
            }
        }
    }
}
