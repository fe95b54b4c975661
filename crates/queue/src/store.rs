//! An open queue: a disk, the layout found on it, and the directory syncs that its users share.

use crate::{
    disk::{Disk, SyncStep},
    layout::Layout,
    real::RealDisk,
    tapping::{Search, Tapping},
};
use control::ControlError;
use os::shared_sync::SharedSync;
use std::{
    collections::BTreeMap,
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

/// A queue. Shared by reference among threads; every call may block on the disk.
#[derive(Debug)]
pub struct Queue<D: Disk = RealDisk> {
    pub(crate) disk: D,
    pub(crate) layout: Layout,
    syncs: Mutex<BTreeMap<String, Arc<SharedSync>>>,
    taps: Option<Tapping>,
}

impl Queue<RealDisk> {
    /// The queue of the installation in `home`.
    pub fn open(home: &Path) -> io::Result<Self> {
        Self::on(RealDisk::at(&home.join("queue")))
    }

    /// Opens the queue for many writers: the files of each message are synced side by side.
    pub fn open_with_threads(home: &Path) -> io::Result<Self> {
        Self::on(RealDisk::at(&home.join("queue")).with_threads())
    }

    /// The same queue for who must not wait ([`RealDisk::at_once`]).
    pub fn at_once(&self) -> Self {
        Self { disk: self.disk.clone().at_once(), layout: self.layout, syncs: Mutex::default(), taps: None }
    }
}

impl<D: Disk> Queue<D> {
    /// The queue on a disk whose names are relative to the queue directory.
    pub fn on(disk: D) -> io::Result<Self> {
        let layout = Layout::detect(&disk)?;
        Ok(Self { disk, layout, syncs: Mutex::default(), taps: None })
    }

    /// The same queue; what it receives is copied to whom `taps` name.
    #[must_use]
    pub fn with_taps(mut self, taps: Tapping) -> Self {
        self.taps = Some(taps);
        self
    }

    /// The search for a copy in one envelope.
    pub(crate) fn search_for_copy(&self) -> Result<Search, ControlError> {
        Ok(self.taps.as_ref().map(Tapping::now).transpose()?.map(Search::new).unwrap_or_default())
    }

    /// The names of everything in it.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The disk it is on.
    pub fn disk(&self) -> &D {
        &self.disk
    }

    /// Syncs a directory; callers that come together share a sync. As many directories as there are in a queue are
    /// kept.
    pub(crate) fn sync_directory(&self, name: &str) -> io::Result<()> {
        self.shared_sync(name).sync(|| self.disk.sync_directory(name))
    }

    /// The sync of a directory as a step among others.
    pub(crate) fn directory_step<'a>(&self, name: &'a str) -> SyncStep<'a, D::File> {
        SyncStep::Directory(name, self.shared_sync(name))
    }

    fn shared_sync(&self, name: &str) -> Arc<SharedSync> {
        let mut syncs = self.syncs.lock().unwrap_or_else(PoisonError::into_inner);
        match syncs.get(name) {
            Some(shared) => Arc::clone(shared),
            None => Arc::clone(syncs.entry(name.to_owned()).or_default()),
        }
    }
}
