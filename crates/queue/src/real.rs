//! The disk of the machine.
//!
//! Files are made with mode 0644 less the umask, as the original makes them: 033 in `qmail-queue`, 077 in
//! `qmail-send`.

use crate::{
    disk::{Disk, Names, Stat, SyncStep, one_after_the_other},
    side_by_side::SideBySide,
};
use nix::{
    fcntl::{AT_FDCWD, AtFlags, OFlag},
    sys::{
        stat::{UtimensatFlags, utimensat},
        time::TimeSpec,
    },
    unistd::linkat,
};
use std::{
    fs::{DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::{
        fd::{AsFd, AsRawFd},
        unix::{
            ffi::OsStringExt,
            fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt},
        },
    },
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// Mode of every file, before the umask.
const FILE_MODE: u32 = 0o644;

/// The queue directory of an installation.
#[derive(Clone, Debug)]
pub struct RealDisk {
    root: PathBuf,
    unnamed: bool,
    /// Reads wait for the device where they must.
    waits: bool,
    helpers: Option<Arc<SideBySide>>,
    /// Changes become durable in the order in which they are made.
    keeps_order: bool,
    /// The kernel gives an open file a name only by way of `/proc`.
    names_by_proc: Arc<AtomicBool>,
}

impl RealDisk {
    /// A disk whose names are relative to `root`.
    ///
    /// Files without a name get one by way of `/proc`; where that is missing (in a chroot), they are not made at all.
    pub fn at(root: &Path) -> Self {
        Self {
            root: root.to_path_buf(),
            unnamed: Path::new("/proc/self/fd").is_dir(),
            waits: true,
            helpers: None,
            keeps_order: false,
            names_by_proc: Arc::default(),
        }
    }

    /// The same disk as one that knows no files without a name.
    pub fn without_unnamed(self) -> Self {
        Self { unnamed: false, ..self }
    }

    /// The same disk with threads that sync the files of a message side by side, and, where all of the queue that takes
    /// a message in is on one file system that keeps the order of changes, in one round ([`Disk::keeps_order`]).
    pub fn with_threads(self) -> Self {
        let keeps_order = os::file_system::keeps_order(&self.path("todo")) && self.is_one_file_system();
        Self { helpers: Some(SideBySide::new()), keeps_order, ..self }
    }

    fn is_one_file_system(&self) -> bool {
        let device = |name: &str| std::fs::metadata(self.path(name)).map(|found| found.dev());
        let Ok(todo) = device("todo") else { return false };
        let Ok(mut places) = self.names("mess") else { return false };
        let on_it = |name: &[u8]| {
            std::str::from_utf8(name)
                .is_ok_and(|name| device(&format!("mess/{name}")).is_ok_and(|d| d == todo))
        };
        places.all(|name| name.is_ok_and(|name| on_it(&name)))
    }

    /// The same disk for who must not wait: to open, read, look at or remove something is `WouldBlock` unless
    /// memory has the answer, and what is there is not removed. The other calls are as ever.
    pub fn at_once(self) -> Self {
        Self { waits: false, ..self }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }
}

impl Disk for RealDisk {
    type File = Arc<File>;

    fn create_unnamed(&self, directory: &str) -> io::Result<Option<Arc<File>>> {
        if !self.unnamed {
            return Ok(None);
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).mode(FILE_MODE).custom_flags(OFlag::O_TMPFILE.bits());
        match options.open(self.path(directory)) {
            Ok(file) => Ok(Some(Arc::new(file))),
            // EISDIR: a kernel that does not know the flag and sees only a directory opened for writing.
            Err(error) => match error.raw_os_error().map(nix::errno::Errno::from_raw) {
                Some(
                    nix::errno::Errno::EOPNOTSUPP | nix::errno::Errno::EISDIR | nix::errno::Errno::EINVAL,
                ) => Ok(None),
                _ => Err(error),
            },
        }
    }

    fn create(&self, name: &str) -> io::Result<Arc<File>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(FILE_MODE).open(self.path(name)).map(Arc::new)
    }

    fn open(&self, name: &str) -> io::Result<Arc<File>> {
        if !self.waits {
            return os::cached::open(&self.path(name), OFlag::O_RDONLY | OFlag::O_NONBLOCK)
                .map(|fd| Arc::new(File::from(fd)));
        }
        // Not to wait for a writer should somebody put a FIFO there.
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(self.path(name)).map(Arc::new)
    }

    fn open_append(&self, name: &str) -> io::Result<Arc<File>> {
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(FILE_MODE).open(self.path(name)).map(Arc::new)
    }

    fn append(&self, file: &Arc<File>, bytes: &[u8]) -> io::Result<()> {
        (&mut file.as_ref()).write_all(bytes)
    }

    fn read_at(&self, file: &Arc<File>, mut offset: u64, mut buffer: &mut [u8]) -> io::Result<usize> {
        let mut total = 0usize;
        while !buffer.is_empty() {
            let read = match self.waits {
                true => file.read_at(buffer, offset),
                false => os::cached::read_at(file, buffer, offset),
            };
            match read {
                Ok(0) => break,
                Ok(n) => {
                    total = total.saturating_add(n);
                    offset = offset.saturating_add(n as u64);
                    buffer = buffer.get_mut(n..).unwrap_or_default();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(total)
    }

    fn start_sync(&self, file: &Arc<File>) {
        os::writeback::start(file);
    }

    fn sync(&self, file: &Arc<File>) -> io::Result<()> {
        file.sync_all()
    }

    fn keeps_order(&self) -> bool {
        self.keeps_order
    }

    fn write_out(&self, file: &Arc<File>) -> io::Result<()> {
        os::writeback::finish(file)
    }

    fn sync_all<const N: usize>(&self, steps: [SyncStep<'_, Arc<File>>; N]) -> [io::Result<()>; N] {
        match &self.helpers {
            Some(helpers) => helpers.sync(&self.root, steps),
            None => one_after_the_other(self, steps),
        }
    }

    fn link_unnamed(&self, file: &Arc<File>, name: &str) -> io::Result<()> {
        // Since Linux 6.10 whoever has opened a file may name it. Before, it took a privilege or the way by /proc,
        // which makes and forgets entries there each time.
        let to = self.path(name);
        if !self.names_by_proc.load(Ordering::Relaxed) {
            match linkat(file.as_fd(), "", AT_FDCWD, &to, AtFlags::AT_EMPTY_PATH) {
                Err(nix::errno::Errno::ENOENT) => {}
                done => return Ok(done?),
            }
        }
        let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
        linkat(AT_FDCWD, unnamed.as_str(), AT_FDCWD, &to, AtFlags::AT_SYMLINK_FOLLOW)?;
        self.names_by_proc.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::hard_link(self.path(from), self.path(to))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.path(from), self.path(to))
    }

    fn unlink(&self, name: &str) -> io::Result<()> {
        if !self.waits {
            self.stat(name)?;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        std::fs::remove_file(self.path(name))
    }

    fn sync_directory(&self, name: &str) -> io::Result<()> {
        File::open(self.path(name))?.sync_all()
    }

    fn make_directory(&self, name: &str, mode: u32) -> io::Result<()> {
        let path = self.path(name);
        match DirBuilder::new().mode(mode).create(&path) {
            Ok(()) => std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn set_times(&self, name: &str, seconds: i64) -> io::Result<()> {
        let time = TimeSpec::new(seconds.max(0), 0);
        Ok(utimensat(AT_FDCWD, &self.path(name), &time, &time, UtimensatFlags::NoFollowSymlink)?)
    }

    fn mark(&self, name: &str, offset: u64, byte: u8) -> io::Result<()> {
        OpenOptions::new().write(true).open(self.path(name))?.write_all_at(&[byte], offset)
    }

    fn stat(&self, name: &str) -> io::Result<Stat> {
        if !self.waits {
            let found = os::cached::open(&self.path(name), OFlag::O_PATH | OFlag::O_NOFOLLOW)?;
            return self.stat_open(&Arc::new(found.into()));
        }
        std::fs::symlink_metadata(self.path(name)).map(|metadata| stat(&metadata))
    }

    fn stat_open(&self, file: &Arc<File>) -> io::Result<Stat> {
        file.metadata().map(|metadata| stat(&metadata))
    }

    fn names(&self, directory: &str) -> io::Result<Names> {
        let entries = std::fs::read_dir(self.path(directory))?;
        Ok(Box::new(entries.map(|entry| entry.map(|e| e.file_name().into_vec()))))
    }
}

fn stat(metadata: &std::fs::Metadata) -> Stat {
    Stat {
        inode: metadata.ino(),
        size_bytes: metadata.size(),
        accessed: metadata.atime(),
        modified: metadata.mtime(),
        changed: metadata.ctime(),
        uid: metadata.uid(),
        is_file: metadata.is_file(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_name_gets_one_and_keeps_its_number() {
        let root = tempfile::tempdir().unwrap();
        let disk = RealDisk::at(root.path());
        let file = disk.create_unnamed(".").unwrap().unwrap();
        disk.append(&file, b"one ").unwrap();
        disk.append(&file, b"two").unwrap();
        disk.start_sync(&file);
        disk.sync(&file).unwrap();
        assert_eq!(disk.names(".").unwrap().count(), 0);
        disk.link_unnamed(&file, "a").unwrap();
        disk.sync_directory(".").unwrap();
        assert_eq!(disk.link_unnamed(&file, "a").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(disk.stat("a").unwrap(), disk.stat_open(&file).unwrap());
        let mut bytes = [0; 20];
        assert_eq!(disk.read_at(&disk.open("a").unwrap(), 2, &mut bytes).unwrap(), 5);
        assert_eq!(&bytes[..5], b"e two");
    }

    #[test]
    fn at_once_nothing_is_removed_and_what_is_found_is_true() {
        let root = tempfile::tempdir().unwrap();
        let disk = RealDisk::at(root.path());
        disk.append(&disk.create("a").unwrap(), b"text").unwrap();
        assert!(disk.unlink("b").is_err());
        let at_once = disk.clone().at_once();
        let would_wait = |error: io::Error| assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        at_once.unlink("a").map_err(would_wait).unwrap_err();
        match at_once.stat("a") {
            Ok(stat) => assert_eq!(stat, disk.stat("a").unwrap()),
            Err(error) => would_wait(error),
        }
        let mut buffer = [0; 10];
        match at_once.open("a").and_then(|file| at_once.read_at(&file, 1, &mut buffer)) {
            Ok(count) => assert_eq!(&buffer[..count], b"ext"),
            Err(error) => would_wait(error),
        }
        match at_once.unlink("b").unwrap_err() {
            error if error.kind() == io::ErrorKind::NotFound => {}
            error => would_wait(error),
        }
    }

    #[test]
    fn marks_and_times_change_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let disk = RealDisk::at(root.path());
        let file = disk.create("a").unwrap();
        disk.append(&file, b"Ta@b\0Tc@d\0").unwrap();
        disk.mark("a", 5, b'D').unwrap();
        assert_eq!(std::fs::read(root.path().join("a")).unwrap(), b"Ta@b\0Dc@d\0");
        for seconds in [0, 1_000_000, 5_000_000_000] {
            disk.set_times("a", seconds).unwrap();
            let stat = disk.stat("a").unwrap();
            assert_eq!((stat.modified, stat.accessed), (seconds, seconds));
            assert!(stat.newest() >= stat.changed);
        }
        assert!(disk.mark("b", 0, b'D').is_err());
    }

    #[test]
    fn a_directory_is_made_with_its_mode_whatever_the_umask() {
        let root = tempfile::tempdir().unwrap();
        let disk = RealDisk::at(root.path());
        for _ in 0..2 {
            disk.make_directory("q", 0o1770).unwrap();
            let mode = std::fs::metadata(root.path().join("q")).unwrap().permissions().mode();
            assert_eq!(mode & 0o7777, 0o1770);
        }
    }
}
