//! The durable steps: everything that the queue asks of a disk, one call a step.
//!
//! `RealDisk` carries them out. The tests have a disk that forgets what was not synced and stops after the nth
//! call, which is why nothing in this crate touches a file in any other way.
//!
//! Names are relative to the queue directory.

use os::shared_sync::SharedSync;
use std::{io, sync::Arc};

/// What is known about a file without reading it. Times are seconds since 1970.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stat {
    /// Inode number: the message's id when this is a message file.
    pub inode: u64,
    /// Length in bytes.
    pub size_bytes: u64,
    /// Last access, as far as the file system keeps it.
    pub accessed: i64,
    /// Last modification: arrival time for `info`, next attempt for channel files.
    pub modified: i64,
    /// Last change of the inode.
    pub changed: i64,
    /// Owner.
    pub uid: u32,
    /// A plain file, not a directory or anything else.
    pub is_file: bool,
}

impl Stat {
    /// The newest of the three times: how long ago somebody certainly touched it (D24).
    pub fn newest(&self) -> i64 {
        self.accessed.max(self.modified).max(self.changed)
    }
}

/// Names in a directory, read piece by piece.
pub type Names = Box<dyn Iterator<Item = io::Result<Vec<u8>>> + Send>;

/// One of several syncs to be made side by side.
#[derive(Debug)]
pub enum SyncStep<'a, F> {
    /// Of a file.
    File(&'a F),
    /// Of a directory, shared with everybody else who syncs it.
    Directory(&'a str, Arc<SharedSync>),
}

/// A disk. Every call may block; none is cached.
pub trait Disk: Send + Sync {
    /// An open file. Closing an unnamed one that was never linked removes it.
    type File: Send + Sync;

    /// A new file without a name, on the file system of `directory`. `None` where the file system or the kernel
    /// has no such thing.
    fn create_unnamed(&self, directory: &str) -> io::Result<Option<Self::File>>;
    /// A new file of that name; it must not exist.
    fn create(&self, name: &str) -> io::Result<Self::File>;
    /// An existing file, for reading.
    fn open(&self, name: &str) -> io::Result<Self::File>;
    /// A file to append to, created when absent.
    fn open_append(&self, name: &str) -> io::Result<Self::File>;
    /// Writes all bytes at the end.
    fn append(&self, file: &Self::File, bytes: &[u8]) -> io::Result<()>;
    /// Reads at an offset; fewer bytes than asked for only at the end.
    fn read_at(&self, file: &Self::File, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
    /// Starts writing to the device without waiting, so that the `sync` of several files shares one wait. Only a
    /// hint.
    fn start_sync(&self, file: &Self::File);
    /// Returns when the file's bytes and size are on stable storage.
    fn sync(&self, file: &Self::File) -> io::Result<()>;
    /// True where changes become durable in the order in which they are made, bytes counting from the moment that
    /// [`Disk::write_out`] has returned (`os::file_system::keeps_order`).
    fn keeps_order(&self) -> bool {
        false
    }
    /// Returns when the file's bytes have left for the device. Makes nothing durable; see [`Disk::keeps_order`].
    fn write_out(&self, file: &Self::File) -> io::Result<()>;
    /// Makes all the syncs, in any order, perhaps at the same time, and says what became of each.
    fn sync_all<const N: usize>(&self, steps: [SyncStep<'_, Self::File>; N]) -> [io::Result<()>; N] {
        one_after_the_other(self, steps)
    }
    /// Gives an unnamed file a name; fails when it is taken.
    fn link_unnamed(&self, file: &Self::File, name: &str) -> io::Result<()>;
    /// Gives a file a second name; fails when it is taken.
    fn link(&self, from: &str, to: &str) -> io::Result<()>;
    /// Moves a file to a name that is replaced when it exists.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Takes a name away.
    fn unlink(&self, name: &str) -> io::Result<()>;
    /// Returns when the names in the directory are on stable storage.
    fn sync_directory(&self, name: &str) -> io::Result<()>;
    /// Makes a directory for private state; fine when it exists.
    fn make_directory(&self, name: &str, mode: u32) -> io::Result<()>;
    /// Sets access and modification time.
    fn set_times(&self, name: &str, seconds: i64) -> io::Result<()>;
    /// Overwrites one byte in place.
    fn mark(&self, name: &str, offset: u64, byte: u8) -> io::Result<()>;
    /// Looks at a name, without following a symbolic link.
    fn stat(&self, name: &str) -> io::Result<Stat>;
    /// Looks at an open file.
    fn stat_open(&self, file: &Self::File) -> io::Result<Stat>;
    /// The names in a directory, in no order, without `.` and `..`.
    fn names(&self, directory: &str) -> io::Result<Names>;
}

/// All the syncs, in their order.
pub(crate) fn one_after_the_other<D: Disk + ?Sized, const N: usize>(
    disk: &D,
    steps: [SyncStep<'_, D::File>; N],
) -> [io::Result<()>; N] {
    steps.map(|step| match step {
        SyncStep::File(file) => disk.sync(file),
        SyncStep::Directory(name, shared) => shared.sync(|| disk.sync_directory(name)),
    })
}

/// Takes a name away; fine when it is gone already.
pub(crate) fn unlink_if_present(disk: &impl Disk, name: &str) -> io::Result<()> {
    absent_is_fine(disk.unlink(name)).map(drop)
}

/// `None` for what does not exist.
pub(crate) fn absent_is_fine<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
