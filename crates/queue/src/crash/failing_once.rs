//! A disk on which one call fails, and life goes on.

use crate::{
    disk::{Disk, Names, Stat},
    simulated::{SimulatedDisk, SimulatedFile},
};
use std::{
    io,
    sync::atomic::{AtomicU64, Ordering},
};

/// Fails its nth call after [`FailingOnce::arm`].
pub(super) struct FailingOnce {
    pub(super) disk: SimulatedDisk,
    n: u64,
    calls: AtomicU64,
}

impl FailingOnce {
    pub(super) fn nth(disk: SimulatedDisk, n: u64) -> Self {
        Self { disk, n, calls: AtomicU64::new(u64::MAX / 2) }
    }

    pub(super) fn arm(&self) {
        self.calls.store(0, Ordering::SeqCst);
    }

    fn step(&self) -> io::Result<&SimulatedDisk> {
        match self.calls.fetch_add(1, Ordering::SeqCst) {
            call if call == self.n => Err(io::Error::from_raw_os_error(5)),
            _ => Ok(&self.disk),
        }
    }
}

impl Disk for FailingOnce {
    type File = SimulatedFile;

    fn create_unnamed(&self, directory: &str) -> io::Result<Option<SimulatedFile>> {
        self.step()?.create_unnamed(directory)
    }
    fn create(&self, name: &str) -> io::Result<SimulatedFile> {
        self.step()?.create(name)
    }
    fn open(&self, name: &str) -> io::Result<SimulatedFile> {
        self.step()?.open(name)
    }
    fn open_append(&self, name: &str) -> io::Result<SimulatedFile> {
        self.step()?.open_append(name)
    }
    fn append(&self, file: &SimulatedFile, bytes: &[u8]) -> io::Result<()> {
        self.step()?.append(file, bytes)
    }
    fn read_at(&self, file: &SimulatedFile, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.step()?.read_at(file, offset, buffer)
    }
    fn start_sync(&self, file: &SimulatedFile) {
        self.disk.start_sync(file);
    }
    fn keeps_order(&self) -> bool {
        self.disk.keeps_order()
    }
    fn write_out(&self, file: &SimulatedFile) -> io::Result<()> {
        self.step()?.write_out(file)
    }
    fn sync(&self, file: &SimulatedFile) -> io::Result<()> {
        self.step()?.sync(file)
    }
    fn link_unnamed(&self, file: &SimulatedFile, name: &str) -> io::Result<()> {
        self.step()?.link_unnamed(file, name)
    }
    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        self.step()?.link(from, to)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.step()?.rename(from, to)
    }
    fn unlink(&self, name: &str) -> io::Result<()> {
        self.step()?.unlink(name)
    }
    fn sync_directory(&self, name: &str) -> io::Result<()> {
        self.step()?.sync_directory(name)
    }
    fn make_directory(&self, name: &str, mode: u32) -> io::Result<()> {
        self.step()?.make_directory(name, mode)
    }
    fn set_times(&self, name: &str, seconds: i64) -> io::Result<()> {
        self.step()?.set_times(name, seconds)
    }
    fn mark(&self, name: &str, offset: u64, byte: u8) -> io::Result<()> {
        self.step()?.mark(name, offset, byte)
    }
    fn stat(&self, name: &str) -> io::Result<Stat> {
        self.step()?.stat(name)
    }
    fn stat_open(&self, file: &SimulatedFile) -> io::Result<Stat> {
        self.step()?.stat_open(file)
    }
    fn names(&self, directory: &str) -> io::Result<Names> {
        self.step()?.names(directory)
    }
}
