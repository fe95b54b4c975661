//! The recipient's home directory: entered, checked, and searched for the file that decides.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use contracts::local_worker::Delivery;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};

use crate::failure::Failure;
use crate::kept_home::{KeptHome, KeptHomes, Moment};
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
    kept: Arc<KeptHome>,
    moment: Moment,
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
    size: u64,
}

impl Home {
    /// Enters the directory. Needs the right to search it, not to read it.
    pub fn enter(path: &[u8], homes: &KeptHomes) -> Result<Self, Failure> {
        let (kept, moment) = homes.enter(path)?;
        Ok(Self { kept, moment })
    }

    /// The directory, for paths relative to it.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.kept.as_fd()
    }

    /// Refuses a home in which others could plant a `.qmail` file.
    pub fn check_owner_rules(&self) -> Result<(), Failure> {
        if self.moment.mode & WRITABLE == 0 { Ok(()) } else { Err(Failure::HomeWritable) }
    }

    /// Whether the user has said that he is editing.
    pub fn is_sticky(&self) -> bool {
        self.moment.mode & STICKY != 0
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
        if self.kept.lacks(&name, &self.moment) {
            return Ok(None);
        }
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let file = match openat(self.as_fd(), name.as_slice(), flags, Mode::empty()) {
            Ok(file) => file,
            Err(error) => {
                let source = io::Error::from(error);
                let exists = matches!(error, nix::Error::EPERM | nix::Error::EACCES);
                if exists || os::strerror::is_temporary(&source) {
                    return Err(Failure::Open { file: name, source });
                }
                self.kept.missed(name, &self.moment);
                return Ok(None);
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
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        Ok(Some(DotQmail { default_at, forward_only, file: File::from(file), name, size }))
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
        if self.kept.lacks(&name, &self.moment) {
            return Ok(false);
        }
        match nix::sys::stat::fstatat(self.as_fd(), name.as_slice(), nix::fcntl::AtFlags::empty()) {
            Ok(_) => Ok(true),
            Err(error) => {
                let source = io::Error::from(error);
                if os::strerror::is_temporary(&source) {
                    return Err(Failure::Open { file: name, source });
                }
                self.kept.missed(name, &self.moment);
                Ok(false)
            }
        }
    }
}

impl DotQmail {
    /// The whole file at once, so that editing it during the delivery has no effect.
    pub fn read(self) -> Result<Vec<u8>, Failure> {
        let Self { file, name, size, .. } = self;
        let mut text = Vec::new();
        match read_whole(&file, size, &mut text) {
            Ok(()) if text.len() as u64 <= FILE_MAX_BYTES => Ok(text),
            Ok(()) => Err(Failure::Open { file: name, source: nix::Error::EFBIG.into() }),
            Err(source) => Err(Failure::Open { file: name, source }),
        }
    }
}

/// Not more than one byte more than may be.
fn read_whole(file: &File, size: u64, text: &mut Vec<u8>) -> io::Result<()> {
    // One byte more than the file should have: what leaves that empty was the whole file.
    let expected = size.min(FILE_MAX_BYTES).saturating_add(1);
    text.resize(usize::try_from(expected).unwrap_or(usize::MAX), 0);
    let read = file.read_at(text, 0)?;
    text.truncate(read);
    if read as u64 == size {
        return Ok(());
    }
    // It is being written, or this file system gives less than it has.
    text.clear();
    file.take(FILE_MAX_BYTES.saturating_add(1)).read_to_end(text).map(drop)
}

fn is_regular(stat: &FileStat) -> bool {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    /// What the file for `joe` says at this delivery: its text, and whether it may only forward.
    fn decides(homes: &KeptHomes, path: &Path) -> Result<Option<(Vec<u8>, bool)>, Failure> {
        let entered = Home::enter(path.as_os_str().as_bytes(), homes)?;
        // As if nobody had touched the directory for seconds.
        let home = Home { moment: entered.moment.long_after(), ..entered };
        home.check_owner_rules()?;
        let delivery = Delivery { sender: b"s@x".to_vec(), ..Delivery::default() };
        let found = home.find(&delivery)?;
        home.ownership(&delivery)?;
        found
            .map(|file| Ok((file.forward_only, file.read()?)))
            .transpose()
            .map(|found| found.map(|(forward_only, text)| (text, forward_only)))
    }

    #[test]
    fn each_delivery_obeys_the_file_that_is_there_now() {
        let top = tempfile::tempdir().unwrap();
        let (homes, home) = (KeptHomes::default(), &top.path().join("joe"));
        fs::create_dir(home).unwrap();
        let file = &home.join(".qmail");
        let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let says = |text: &str, forward_only| Some((text.as_bytes().to_vec(), forward_only));
        assert_eq!(decides(&homes, home).unwrap(), None);

        crate::kept_home::wait_for_a_tick(&top.path().join("clock"), home);
        fs::write(file, "./Mailbox\n").unwrap();
        mode(file, 0o600);
        assert_eq!(decides(&homes, home).unwrap(), says("./Mailbox\n", false));
        fs::write(file, "./mailboX\n").unwrap();
        assert_eq!(decides(&homes, home).unwrap(), says("./mailboX\n", false));
        mode(file, 0o700);
        assert_eq!(decides(&homes, home).unwrap(), says("./mailboX\n", true));
        mode(file, 0o602);
        assert!(matches!(decides(&homes, home), Err(Failure::FileWritable)));
        mode(file, 0o600);
        mode(home, 0o702);
        assert!(matches!(decides(&homes, home), Err(Failure::HomeWritable)));
        mode(home, 0o700);

        crate::kept_home::wait_for_a_tick(&top.path().join("clock"), home);
        fs::remove_file(file).unwrap();
        assert_eq!(decides(&homes, home).unwrap(), None);
        assert_eq!(decides(&homes, home).unwrap(), None);
        fs::rename(home, top.path().join("away")).unwrap();
        assert!(matches!(decides(&homes, home), Err(Failure::EnterHome { .. })));
        fs::create_dir(home).unwrap();
        fs::write(file, "&a@b\n").unwrap();
        assert_eq!(decides(&homes, home).unwrap(), says("&a@b\n", false));
    }

    #[test]
    fn a_file_is_read_whole_whatever_its_size_was_said_to_be() {
        let file = tempfile::tempfile().unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &[b'#'; 5000], 0).unwrap();
        for said in [0, 10, 4999, 5000, 5001, u64::MAX] {
            let mut text = Vec::new();
            read_whole(&file, said, &mut text).unwrap();
            assert_eq!(text.len(), 5000, "{said}");
            let mut file = &file;
            std::io::Seek::rewind(&mut file).unwrap();
        }
    }
}
