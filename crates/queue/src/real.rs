//! The disk of the machine.
//!
//! Files are made with mode 0644 less the umask, as the original makes them: 033 in `qmail-queue`, 077 in
//! `qmail-send`.

use crate::disk::{Disk, Names, Stat};
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
        fd::AsRawFd,
        unix::{
            ffi::OsStringExt,
            fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt},
        },
    },
    path::{Path, PathBuf},
};

/// Mode of every file, before the umask.
const FILE_MODE: u32 = 0o644;

/// The queue directory of an installation.
#[derive(Clone, Debug)]
pub struct RealDisk {
    root: PathBuf,
}

impl RealDisk {
    /// A disk whose names are relative to `root`.
    pub fn at(root: &Path) -> Self {
        Self { root: root.to_path_buf() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }
}

impl Disk for RealDisk {
    type File = File;

    fn create_unnamed(&self, directory: &str) -> io::Result<Option<File>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).mode(FILE_MODE).custom_flags(OFlag::O_TMPFILE.bits());
        match options.open(self.path(directory)) {
            Ok(file) => Ok(Some(file)),
            // EISDIR: a kernel that does not know the flag and sees only a directory opened for writing.
            Err(error) => match error.raw_os_error().map(nix::errno::Errno::from_raw) {
                Some(
                    nix::errno::Errno::EOPNOTSUPP | nix::errno::Errno::EISDIR | nix::errno::Errno::EINVAL,
                ) => Ok(None),
                _ => Err(error),
            },
        }
    }

    fn create(&self, name: &str) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create_new(true).mode(FILE_MODE).open(self.path(name))
    }

    fn open(&self, name: &str) -> io::Result<File> {
        // Not to wait for a writer should somebody put a FIFO there.
        OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(self.path(name))
    }

    fn open_append(&self, name: &str) -> io::Result<File> {
        OpenOptions::new().append(true).create(true).mode(FILE_MODE).open(self.path(name))
    }

    fn append(&self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn read_at(&self, file: &File, mut offset: u64, mut buffer: &mut [u8]) -> io::Result<usize> {
        let mut total = 0usize;
        while !buffer.is_empty() {
            match file.read_at(buffer, offset) {
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

    fn start_sync(&self, file: &File) {
        os::writeback::start(file);
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn link_unnamed(&self, file: &File, name: &str) -> io::Result<()> {
        let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
        Ok(linkat(AT_FDCWD, unnamed.as_str(), AT_FDCWD, &self.path(name), AtFlags::AT_SYMLINK_FOLLOW)?)
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::hard_link(self.path(from), self.path(to))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.path(from), self.path(to))
    }

    fn unlink(&self, name: &str) -> io::Result<()> {
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
        std::fs::symlink_metadata(self.path(name)).map(|metadata| stat(&metadata))
    }

    fn stat_open(&self, file: &File) -> io::Result<Stat> {
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
