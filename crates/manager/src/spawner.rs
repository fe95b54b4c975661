//! One spawner: commands to it, reports from it (contract 5.2, 5.3).

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use contracts::spawn::{Command, Report, ReportDecoder};

use crate::outlet::Outlet;

/// qmail-lspawn or qmail-rspawn.
#[derive(Debug)]
pub(crate) struct Spawner {
    pub(crate) commands: Outlet,
    reports: File,
    decoder: ReportDecoder,
    pub(crate) alive: bool,
    buffer: Vec<u8>,
}

/// What one read takes.
const READ_BYTES: usize = 16 * 1024;

impl Spawner {
    pub(crate) fn new(commands: OwnedFd, reports: OwnedFd) -> io::Result<Self> {
        Ok(Self {
            commands: Outlet::new(commands)?,
            reports: reports.into(),
            decoder: ReportDecoder::default(),
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

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.reports.as_fd()
    }

    pub(crate) fn send(&mut self, command: &Command) {
        self.commands.push(&command.encode());
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
