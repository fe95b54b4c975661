//! The recipient's home directory: entered, checked, and searched for the file that decides.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use contracts::local_worker::Delivery;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};

use crate::failure::Failure;
use crate::owner::{self, Ownership};
use crate::search::{Candidate, candidates};

/// Who may write a home directory or a `.qmail` file: not these (conf-patrn).
const WRITABLE: u32 = 0o002;
/// Set by users who edit their `.qmail` files.
const STICKY: u32 = 0o1000;
/// Set on a `.qmail` file that may only forward.
const OWNER_EXECUTE: u32 = 0o100;

/// The longest `.qmail` file. Large lists keep their subscribers in one.
pub const FILE_MAX_BYTES: u64 = 16 << 20;

/// A home directory that we are in, as far as a descriptor goes: no process changes directory.
#[derive(Debug)]
pub struct Home {
    directory: OwnedFd,
    mode: u32,
}

/// The file that speaks for an address.
#[derive(Debug)]
pub struct DotQmail {
    /// Where in the original extension the part begins that `default` stands for.
    pub default_at: Option<usize>,
    /// Whether the owner-execute bit allows nothing but forwarding.
    pub forward_only: bool,
    file: File,
    name: Vec<u8>,
}

impl Home {
    /// Enters the directory. Needs the right to search it, not to read it.
    pub fn enter(path: &[u8]) -> Result<Self, Failure> {
        // A name after the directory makes the kernel ask for search permission.
        let inside = [path, b"/."].concat();
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let directory = open(inside.as_slice(), flags, Mode::empty())
            .map_err(|error| Failure::EnterHome { home: path.to_vec(), source: error.into() })?;
        let mode = fstat(&directory).map_err(|error| Failure::StatHome(error.into()))?.st_mode;
        Ok(Self { directory, mode })
    }

    /// The directory, for paths relative to it.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// Refuses a home in which others could plant a `.qmail` file.
    pub fn check_owner_rules(&self) -> Result<(), Failure> {
        if self.mode & WRITABLE == 0 { Ok(()) } else { Err(Failure::HomeWritable) }
    }

    /// Whether the user has said that he is editing.
    pub fn is_sticky(&self) -> bool {
        self.mode & STICKY != 0
    }

    /// The first file that exists for the address; `None` if there is none.
    pub fn find(&self, delivery: &Delivery) -> Result<Option<DotQmail>, Failure> {
        for candidate in candidates(&delivery.dash, &delivery.ext) {
            if let Some(found) = self.try_open(candidate)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn try_open(&self, candidate: Candidate) -> Result<Option<DotQmail>, Failure> {
        let Candidate { file: name, default_at } = candidate;
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let file = match openat(self.as_fd(), name.as_slice(), flags, Mode::empty()) {
            Ok(file) => file,
            Err(error) => {
                let source = io::Error::from(error);
                let exists = matches!(error, nix::Error::EPERM | nix::Error::EACCES);
                return if exists || os::strerror::is_temporary(&source) {
                    Err(Failure::Open { file: name, source })
                } else {
                    Ok(None)
                };
            }
        };
        let stat =
            fstat(&file).map_err(|error| Failure::Open { file: name.clone(), source: error.into() })?;
        // A directory or a FIFO of that name counts as nothing.
        if !is_regular(&stat) {
            return Ok(None);
        }
        if stat.st_mode & WRITABLE != 0 {
            return Err(Failure::FileWritable);
        }
        let forward_only = stat.st_mode & OWNER_EXECUTE != 0;
        Ok(Some(DotQmail { default_at, forward_only, file: File::from(file), name }))
    }

    /// What the owner files say about forwarding from this address.
    pub fn ownership(&self, delivery: &Delivery) -> Result<Ownership, Failure> {
        if !owner::matters(&delivery.sender) {
            return Ok(Ownership::None);
        }
        let [owner, per_recipient] = owner::files(delivery);
        if !self.exists(owner)? {
            return Ok(Ownership::None);
        }
        Ok(if self.exists(per_recipient)? { Ownership::PerRecipient } else { Ownership::Owner })
    }

    fn exists(&self, name: Vec<u8>) -> Result<bool, Failure> {
        match nix::sys::stat::fstatat(self.as_fd(), name.as_slice(), nix::fcntl::AtFlags::empty()) {
            Ok(_) => Ok(true),
            Err(error) => {
                let source = io::Error::from(error);
                if os::strerror::is_temporary(&source) {
                    Err(Failure::Open { file: name, source })
                } else {
                    Ok(false)
                }
            }
        }
    }
}

impl DotQmail {
    /// The whole file at once, so that editing it during the delivery has no effect.
    pub fn read(self) -> Result<Vec<u8>, Failure> {
        let Self { file, name, .. } = self;
        let mut text = Vec::new();
        let read = file.take(FILE_MAX_BYTES.saturating_add(1)).read_to_end(&mut text);
        match read {
            Ok(length) if length as u64 <= FILE_MAX_BYTES => Ok(text),
            Ok(_) => Err(Failure::Open { file: name, source: nix::Error::EFBIG.into() }),
            Err(source) => Err(Failure::Open { file: name, source }),
        }
    }
}

fn is_regular(stat: &FileStat) -> bool {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG
}
