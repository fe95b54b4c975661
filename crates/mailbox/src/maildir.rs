//! One message into a Maildir.
//!
//! ```text
//! look at DIR/new               the directory that we have open already? Otherwise DIR must exist and let us in
//! is there a quota, and room?   see maildirsize
//! make a file in tmp            without a name (O_TMPFILE), mode 0600 under the usual umask
//! write heading and message, sync the file
//! link it to new/NAME           the message appears, complete; with a quota its name ends in `,S=BYTES`
//! sync new                      and stays: from here on it is delivered
//! ```
//!
//! A crash before the link leaves nothing. Where a file cannot be without a name, or get one later (NFS, no /proc), it
//! is made as tmp/NAME, exclusively, and that name is removed at the end; left behind by a crash, it goes by the
//! 36-hour rule. Readers see no difference; on ext4 with ten deliveries at a time the way without a name is a
//! quarter faster.
//!
//! `new` is the one that its name led to when we looked, also if DIR is replaced meanwhile: the name appears in the
//! directory that is synced, as if we had entered it.
//!
//! A failure of the last sync is reported though the message is there already: a duplicate is better than a loss.

use std::fs::File;
use std::io::{self, IoSlice, Write as _};
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, fstatat};
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};

use crate::copy::{BLOCK_BYTES, Message};
use crate::directories::{Directories, Directory};
use crate::maildirsize::Account;
use crate::quota::Usage;
use crate::{Heading, name};

/// A delivery that has not ended by then gives up, as the original's alarm did.
const LONGEST: Duration = Duration::from_secs(86_400);

/// Names tried before a tmp file that always exists already is believed.
const NAMES_TRIED: usize = 3;

/// Nobody else reads our mail, whatever the umask.
const READABLE_BY_OWNER: Mode = Mode::S_IRUSR.union(Mode::S_IWUSR);

/// Why a message did not get into a Maildir. Every one of them may pass, a full Maildir not by waiting.
#[derive(Debug, thiserror::Error)]
pub enum MaildirError {
    /// There is no such directory, or we may not enter it.
    #[error("cannot enter the maildir")]
    Enter(#[source] io::Error),
    /// It took longer than a day.
    #[error("the delivery took longer than a day")]
    Timeout,
    /// There is no room left for it by the Maildir's quota. Trying again does not help soon.
    #[error("over quota")]
    OverQuota,
    /// The message could not be read.
    #[error("cannot read the message")]
    Read(#[source] io::Error),
    /// A step on the way to `new` failed.
    #[error("cannot {step}")]
    Step {
        /// What was attempted.
        step: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

/// Delivers `message` into the Maildir at `path`, which is taken relative to `home` and ends in a slash.
///
/// `Ok` is returned only after the message and its entry in `new` are on stable storage.
pub fn deliver(
    home: BorrowedFd<'_>,
    path: &[u8],
    heading: &Heading<'_>,
    message: &Message<'_>,
    directories: &Directories,
) -> Result<(), MaildirError> {
    let new = new_of(home, path, directories)?;
    let account = Account::open(home, path).map_err(failed("open maildirsize"))?;
    let (admission, name_end) = match account {
        Some(account) => {
            let size_bytes = size(heading, message).map_err(MaildirError::Read)?;
            (Some(admit(account, size_bytes)?), format!(",S={size_bytes}").into_bytes())
        }
        None => (None, Vec::new()),
    };
    let maildir = Maildir { home, path, new, name_end };
    if !maildir.without_a_name(heading, message)? {
        maildir.by_name(heading, message)?;
    }
    if let Some((account, usage)) = admission {
        account.note(usage);
    }
    maildir.new.sync().map_err(failed("sync new"))
}

/// What the file will have, read to its end: nobody writes to a message that is queued.
fn size(heading: &Heading<'_>, message: &Message<'_>) -> io::Result<u64> {
    let above = heading.return_path.len().saturating_add(heading.delivered_to.len());
    Ok(message.file.metadata()?.len().saturating_add(above as u64))
}

fn admit(mut account: Account, size_bytes: u64) -> Result<(Account, Usage), MaildirError> {
    if account.admits(size_bytes).map_err(failed("count the messages"))? {
        Ok((account, Usage::message(size_bytes)))
    } else {
        Err(MaildirError::OverQuota)
    }
}

fn new_of(
    home: BorrowedFd<'_>,
    path: &[u8],
    directories: &Directories,
) -> Result<Arc<Directory>, MaildirError> {
    let now = fstatat(home, joined(path, b"new").as_slice(), AtFlags::empty());
    if let Some(kept) = now.ok().and_then(|now| directories.kept(&now)) {
        return Ok(kept);
    }
    let new = open_directory(&enter(home, path)?, b"new").map_err(failed("open new"))?;
    directories.keep(new).map_err(failed("look at new"))
}

struct Maildir<'a> {
    home: BorrowedFd<'a>,
    path: &'a [u8],
    new: Arc<Directory>,
    /// What names end with: the size, where there is a quota.
    name_end: Vec<u8>,
}

/// Whether the kernel gives a nameless file its name without help from /proc (Linux 6.10).
static LINKS_DIRECTLY: AtomicBool = AtomicBool::new(true);

impl Maildir<'_> {
    /// False if that way is closed here: then nothing is left of it.
    fn without_a_name(&self, heading: &Heading<'_>, message: &Message<'_>) -> Result<bool, MaildirError> {
        let flags = OFlag::O_WRONLY | OFlag::O_TMPFILE | OFlag::O_CLOEXEC;
        let tmp = joined(self.path, b"tmp");
        let Ok(file) = openat(self.home, tmp.as_slice(), flags, READABLE_BY_OWNER) else { return Ok(false) };
        let mut file = File::from(file);
        fill(&mut file, heading, message)?;
        file.sync_all().map_err(failed("sync the file in tmp"))?;
        for _ in 0..NAMES_TRIED {
            match self.link(&file, &self.fresh_name()) {
                Ok(()) => return Ok(true),
                Err(nix::Error::EEXIST) => {}
                Err(_) => break,
            }
        }
        Ok(false)
    }

    fn link(&self, file: &File, name: &[u8]) -> nix::Result<()> {
        if LINKS_DIRECTLY.load(Ordering::Relaxed) {
            match linkat(file, c"", &*self.new, name, AtFlags::AT_EMPTY_PATH) {
                // An older kernel, or one that forbids it. Or else the next way fails as well.
                Err(nix::Error::ENOENT | nix::Error::EINVAL | nix::Error::EPERM) => {}
                linked => return linked,
            }
        }
        let ours = format!("/proc/self/fd/{}", file.as_raw_fd());
        linkat(AT_FDCWD, ours.as_str(), &*self.new, name, AtFlags::AT_SYMLINK_FOLLOW)?;
        LINKS_DIRECTLY.store(false, Ordering::Relaxed);
        Ok(())
    }

    fn by_name(&self, heading: &Heading<'_>, message: &Message<'_>) -> Result<(), MaildirError> {
        let (mut file, name) = self.create()?;
        let tmp = Unfinished { home: self.home, path: self.tmp(&name) };
        fill(&mut file, heading, message)?;
        file.sync_all().map_err(failed("sync the file in tmp"))?;
        drop(file);
        linkat(self.home, tmp.path.as_slice(), &*self.new, name.as_slice(), AtFlags::empty())
            .map_err(|error| failed("link into new")(error.into()))
    }

    fn create(&self) -> Result<(File, Vec<u8>), MaildirError> {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
        let mut tried = 1;
        loop {
            let name = self.fresh_name();
            match openat(self.home, self.tmp(&name).as_slice(), flags, READABLE_BY_OWNER) {
                Ok(file) => return Ok((File::from(file), name)),
                Err(nix::Error::EEXIST) if tried < NAMES_TRIED => tried += 1,
                Err(error) => return Err(failed("create a file in tmp")(error.into())),
            }
        }
    }

    fn fresh_name(&self) -> Vec<u8> {
        joined(&name::fresh(), &self.name_end)
    }

    fn tmp(&self, name: &[u8]) -> Vec<u8> {
        [self.path, b"tmp/", name].concat()
    }
}

fn failed(step: &'static str) -> impl Fn(io::Error) -> MaildirError {
    move |source| MaildirError::Step { step, source }
}

/// A file in tmp that goes away with this value, whether or not it was linked into new.
struct Unfinished<'a> {
    home: BorrowedFd<'a>,
    path: Vec<u8>,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        // If it stays, readers remove it after 36 hours.
        let _ = unlinkat(self.home, self.path.as_slice(), UnlinkatFlags::NoRemoveDir);
    }
}

/// Opens the Maildir as chdir would enter it: with the right to search it.
fn enter(home: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, MaildirError> {
    // A name after the directory makes the kernel ask for search permission.
    openat(
        home,
        joined(path, b"/.").as_slice(),
        OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
    .map_err(|error| MaildirError::Enter(error.into()))
}

fn open_directory(parent: &OwnedFd, path: &[u8]) -> io::Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    Ok(openat(parent, path, flags, Mode::empty())?)
}

fn fill(file: &mut File, heading: &Heading<'_>, message: &Message<'_>) -> Result<(), MaildirError> {
    let began = Instant::now();
    let Heading { return_path, delivered_to, .. } = heading;
    let write_failed = failed("write the file in tmp");
    write_together(file, &[return_path, delivered_to, message.opening()]).map_err(&write_failed)?;
    let Some(mut rest) = message.rest() else { return Ok(()) };
    let mut buffer = Vec::with_capacity(BLOCK_BYTES);
    while rest.append_to(&mut buffer, BLOCK_BYTES).map_err(MaildirError::Read)? > 0 {
        file.write_all(&buffer).map_err(&write_failed)?;
        buffer.clear();
        if began.elapsed() > LONGEST {
            return Err(MaildirError::Timeout);
        }
    }
    Ok(())
}

/// All parts by one call, if the kernel takes them so.
fn write_together(file: &mut File, parts: &[&[u8]; 3]) -> io::Result<()> {
    let mut written = match file.write_vectored(&parts.map(IoSlice::new)) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
        written => written?,
    };
    for part in parts {
        let left = part.get(written.min(part.len())..).unwrap_or_default();
        written = written.saturating_sub(part.len());
        if !left.is_empty() {
            file.write_all(left)?;
        }
    }
    Ok(())
}

fn joined(first: &[u8], second: &[u8]) -> Vec<u8> {
    [first, second].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::fd::AsFd as _;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    const HEADING: Heading<'_> = Heading {
        from_line: b"From s@x Thu Jan 01 00:00:00 1970\n",
        return_path: b"Return-Path: <s@x>\n",
        delivered_to: b"Delivered-To: joe@host\n",
    };

    fn home_with(directories: &[&str]) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        for directory in directories {
            fs::create_dir_all(home.path().join(directory)).unwrap();
        }
        home
    }

    fn message(text: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text).unwrap();
        file
    }

    fn deliver_to(home: &Path, path: &[u8], text: &[u8]) -> Result<(), MaildirError> {
        put(home, path, text, &Directories::default())
    }

    fn put(home: &Path, path: &[u8], text: &[u8], directories: &Directories) -> Result<(), MaildirError> {
        let (home, file) = (File::open(home).unwrap(), message(text));
        let mut room = [0; 1000];
        let message = Message::open(&file, &mut room).unwrap();
        deliver(home.as_fd(), path, &HEADING, &message, directories)
    }

    fn files(directory: &Path) -> Vec<std::path::PathBuf> {
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    #[test]
    fn a_message_arrives_in_new_and_leaves_nothing_in_tmp() {
        let home = home_with(&["Maildir/tmp", "Maildir/new", "Maildir/cur"]);
        for text in [&b""[..], b"a", &[b'x'; 200_000]] {
            deliver_to(home.path(), b"./Maildir/", text).unwrap();
            let arrived = files(&home.path().join("Maildir/new"));
            let [file] = arrived.as_slice() else { panic!("{arrived:?}") };
            let expected = [HEADING.return_path, HEADING.delivered_to, text].concat();
            assert_eq!(fs::read(file).unwrap(), expected);
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
            assert!(files(&home.path().join("Maildir/tmp")).is_empty());
            fs::remove_file(file).unwrap();
        }
    }

    #[test]
    fn all_ways_into_new_give_the_same_file() {
        let home = home_with(&["Maildir/tmp", "Maildir/new"]);
        let directory = File::open(home.path()).unwrap();
        let (directories, file) = (Directories::default(), message(b"x"));
        let mut room = [0; 10];
        let message = Message::open(&file, &mut room).unwrap();
        let new = new_of(directory.as_fd(), b"Maildir/", &directories).unwrap();
        let maildir = Maildir { home: directory.as_fd(), path: b"Maildir/", new, name_end: Vec::new() };
        assert!(maildir.without_a_name(&HEADING, &message).unwrap());
        maildir.by_name(&HEADING, &message).unwrap();
        LINKS_DIRECTLY.store(false, Ordering::Relaxed);
        assert!(maildir.without_a_name(&HEADING, &message).unwrap());
        let arrived = files(&home.path().join("Maildir/new"));
        assert_eq!(arrived.len(), 3);
        let [one, others @ ..] = arrived.as_slice() else { panic!("{arrived:?}") };
        let mode = |file: &Path| file.metadata().unwrap().permissions().mode();
        for other in others {
            assert_eq!(fs::read(one).unwrap(), fs::read(other).unwrap());
            assert_eq!(mode(one), mode(other));
        }
        assert!(files(&home.path().join("Maildir/tmp")).is_empty());
    }

    #[test]
    fn a_maildir_that_is_replaced_gets_the_next_message() {
        let home = home_with(&["Maildir/tmp", "Maildir/new", "away"]);
        let directories = Directories::default();
        let put = || put(home.path(), b"./Maildir/", b"x", &directories);
        let arrived = |path: &str| files(&home.path().join(path)).len();
        put().unwrap();
        put().unwrap();
        // The whole of it, then its `new` alone, then by a symbolic link.
        fs::rename(home.path().join("Maildir"), home.path().join("away/first")).unwrap();
        assert!(matches!(put(), Err(MaildirError::Enter(_))));
        fs::create_dir_all(home.path().join("Maildir/new")).unwrap();
        fs::create_dir_all(home.path().join("Maildir/tmp")).unwrap();
        put().unwrap();
        assert_eq!((arrived("away/first/new"), arrived("Maildir/new")), (2, 1));
        fs::rename(home.path().join("Maildir/new"), home.path().join("away/second")).unwrap();
        assert!(matches!(put(), Err(MaildirError::Step { .. })));
        fs::create_dir(home.path().join("Maildir/new")).unwrap();
        put().unwrap();
        assert_eq!((arrived("away/second"), arrived("Maildir/new")), (1, 1));
        fs::rename(home.path().join("Maildir"), home.path().join("away/third")).unwrap();
        std::os::unix::fs::symlink("away/first", home.path().join("Maildir")).unwrap();
        put().unwrap();
        assert_eq!((arrived("away/first/new"), arrived("away/third/new")), (3, 1));
    }

    #[test]
    fn a_message_longer_than_its_opening_arrives_whole() {
        let home = home_with(&["Maildir/tmp", "Maildir/new"]);
        let text: Vec<u8> = (0..200_001_u32).map(|n| n as u8).collect();
        deliver_to(home.path(), b"./Maildir/", &text).unwrap();
        let arrived = files(&home.path().join("Maildir/new"));
        let expected = [HEADING.return_path, HEADING.delivered_to, &text].concat();
        assert_eq!(fs::read(&arrived[0]).unwrap(), expected);
    }

    #[test]
    fn every_missing_part_is_told_apart() {
        let home = home_with(&["none", "tmp-only/tmp"]);
        fs::write(home.path().join("file"), "").unwrap();
        for (path, enter) in
            [("./missing/", true), ("./file/", true), ("./none/", false), ("./tmp-only/", false)]
        {
            let error = deliver_to(home.path(), path.as_bytes(), b"x").unwrap_err();
            assert_eq!(matches!(error, MaildirError::Enter(_)), enter, "{path}: {error:?}");
        }
        assert!(files(&home.path().join("tmp-only/tmp")).is_empty());
    }

    #[test]
    fn a_message_that_cannot_be_read_leaves_nothing() {
        let home = home_with(&["Maildir/tmp", "Maildir/new"]);
        let directory = File::open(home.path()).unwrap();
        // Its opening is known, and then it cannot be read any more.
        let message = Message::open(&directory, &mut []).unwrap();
        let error = deliver(directory.as_fd(), b"Maildir/", &HEADING, &message, &Directories::default());
        assert!(matches!(error, Err(MaildirError::Read(_))), "{error:?}");
        assert!(files(&home.path().join("Maildir/tmp")).is_empty());
        assert!(files(&home.path().join("Maildir/new")).is_empty());
    }

    #[test]
    fn many_deliveries_at_once_all_arrive() {
        let home = home_with(&["Maildir/tmp", "Maildir/new"]);
        let directories = Directories::default();
        let one = || put(home.path(), b"./Maildir/", b"x", &directories).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..5).for_each(|_| one()));
            }
        });
        assert_eq!(files(&home.path().join("Maildir/new")).len(), 40);
    }
}
