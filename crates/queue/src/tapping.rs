//! Copies of messages for those whom `control/taps` names (control::taps): one further recipient, right behind the address
//! that matched, as the qmail-taps patch has it.
//!
//! The file is looked at for each message, and read again when it has changed. While it cannot be read nothing is taken:
//! an archive that misses messages is worse than mail that comes later.

use control::{
    Control, ControlError,
    taps::{self, Side, Taps},
};
use std::{
    io,
    os::unix::fs::MetadataExt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

/// A file that has changed since then may change once more without its times showing it.
const TIMES_TICK: Duration = Duration::from_secs(2);

/// Where taps come from.
#[derive(Debug)]
pub struct Tapping {
    control: Control,
    warn: fn(&str),
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// The file that was read; `None`: there was none, or it must be read again.
    version: Option<Version>,
    taps: Arc<Taps>,
    /// What was said last about it.
    said: Vec<String>,
}

/// What is different of a file that has been written to or replaced.
type Version = [i128; 6];

impl Tapping {
    /// The taps of the installation in `home`. `warn` is told what is wrong with them, once.
    pub fn new(home: &Path, warn: fn(&str)) -> Self {
        Self { control: Control::at(home), warn, kept: Mutex::default() }
    }

    /// As they are now.
    pub(crate) fn now(&self) -> Result<Arc<Taps>, ControlError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let version = match version(&self.control.directory().join(taps::NAME)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                *kept = Kept::default();
                return Ok(Arc::default());
            }
            // Reading it will say what is wrong.
            Err(_) => None,
            Ok(version) => version,
        };
        if version.is_some() && kept.version == version {
            return Ok(Arc::clone(&kept.taps));
        }
        let mut words = Vec::new();
        let read = Taps::read(&self.control, &mut |warning| words.push(warning.to_string()));
        words.extend(read.as_ref().err().map(|error| format!("no mail is taken: {error}")));
        if kept.said != words {
            words.iter().for_each(|words| (self.warn)(words));
            kept.said = words;
        }
        kept.version = None;
        kept.taps = Arc::new(read?);
        kept.version = version;
        Ok(Arc::clone(&kept.taps))
    }
}

/// `None`: it has changed just now, and may be changing.
fn version(path: &Path) -> io::Result<Option<Version>> {
    let about = std::fs::metadata(path)?;
    let (modified, changed) = ((about.mtime(), about.mtime_nsec()), (about.ctime(), about.ctime_nsec()));
    let nanoseconds = |(seconds, rest): (i64, i64)| {
        i128::from(seconds).saturating_mul(1_000_000_000).saturating_add(i128::from(rest))
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let settled = now.saturating_sub(TIMES_TICK).as_nanos();
    let is_settled = i128::try_from(settled).is_ok_and(|settled| nanoseconds(changed) < settled);
    Ok(is_settled.then(|| {
        [
            about.dev().into(),
            about.ino().into(),
            about.size().into(),
            nanoseconds(modified),
            nanoseconds(changed),
            about.mode().into(),
        ]
    }))
}

/// The search for a copy in one envelope, record by record.
#[derive(Debug, Default)]
pub(crate) struct Search {
    /// `None`: there is nothing to look for, or it has been found.
    taps: Option<Arc<Taps>>,
    /// What there is of a record.
    record: Vec<u8>,
}

impl Search {
    pub(crate) fn new(taps: Arc<Taps>) -> Self {
        Self { taps: Some(taps).filter(|taps| !taps.is_empty()), record: Vec::new() }
    }

    /// Cuts from an envelope what [`Search::after`] wants to see next: no more than a record, or all if it has no wish.
    pub(crate) fn cut<'a>(&self, bytes: &'a [u8]) -> (&'a [u8], &'a [u8]) {
        let end = self.taps.as_ref().and_then(|_| memchr::memchr(0, bytes)?.checked_add(1));
        bytes.split_at_checked(end.unwrap_or(bytes.len())).unwrap_or((bytes, &[]))
    }

    /// The record that belongs behind what has been taken, if one does.
    pub(crate) fn after(&mut self, piece: &[u8]) -> Option<Vec<u8>> {
        let taps = self.taps.as_ref()?;
        self.record.extend_from_slice(piece);
        let record = self.record.strip_suffix(b"\0")?;
        let found = match record {
            [b'F', sender @ ..] => taps.matching(Side::Sender, sender),
            [b'T', recipient @ ..] => taps.matching(Side::Recipient, recipient),
            _ => None,
        };
        let copy = found.map(|to| if to.is_empty() { Vec::new() } else { [b"T", to, b"\0"].concat() });
        self.record.clear();
        if copy.is_some() {
            self.taps = None;
        }
        copy.filter(|copy| !copy.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        EnqueueError, Queue,
        incoming::{Caller, Qp},
        real::RealDisk,
        todo::ENVELOPE_MAX_BYTES,
    };
    use message::received::InvokedBy;
    use std::fs;

    const CALLER: Caller =
        Caller { uid: 7, by: InvokedBy::Uid(7), now: 0, qp: Qp::Process(9), keep_intd: false };

    fn installation(taps: &str) -> (tempfile::TempDir, Queue) {
        let home = tempfile::tempdir().unwrap();
        for directory in ["control", "queue/mess/0", "queue/todo", "queue/intd", "queue/pid"] {
            fs::create_dir_all(home.path().join(directory)).unwrap();
        }
        fs::write(home.path().join("control/taps"), taps).unwrap();
        let queue = Queue::on(RealDisk::at(&home.path().join("queue"))).unwrap();
        let queue = queue.with_taps(Tapping::new(home.path(), |_| {}));
        (home, queue)
    }

    /// What is stored of an envelope that comes in pieces of that size.
    fn stored(home: &Path, queue: &Queue, envelope: &str, piece: usize) -> Result<String, EnqueueError> {
        let mut incoming = queue.receive(&CALLER)?;
        incoming.end_message()?;
        envelope.as_bytes().chunks(piece).try_for_each(|piece| incoming.envelope(piece))?;
        let id = incoming.commit(false)?;
        let text = fs::read_to_string(home.join(format!("queue/todo/{id}"))).unwrap();
        Ok(text.strip_prefix("u7\0p9\0").unwrap().replace('\0', "|"))
    }

    #[test]
    fn a_copy_is_one_more_recipient_behind_the_first_match() {
        let (home, queue) = installation("F:^boss@:\nF:^joe@:out@x\nT:@in\\.example$:in@x\n");
        for (envelope, expected) in [
            ("Fjoe@x\0Ta@y\0\0", "Fjoe@x|Tout@x|Ta@y|"),
            (
                "Fann@x\0Ta@y\0Tb@in.example\0Tc@in.example\0\0",
                "Fann@x|Ta@y|Tb@in.example|Tin@x|Tc@in.example|",
            ),
            ("Fboss@x\0Tb@in.example\0\0", "Fboss@x|Tb@in.example|"),
            ("F\0Ta@y\0\0junk\0Tb@in.example\0", "F|Ta@y|"),
        ] {
            for piece in [1, 3, 1000] {
                assert_eq!(stored(home.path(), &queue, envelope, piece).unwrap(), expected);
            }
        }
    }

    #[test]
    fn a_changed_file_is_noticed_and_an_unreadable_one_defers() {
        let (home, queue) = installation("F:joe:old@x\n");
        let file = home.path().join("control/taps");
        let store = || stored(home.path(), &queue, "Fjoe@x\0Ta@y\0\0", 100);
        assert_eq!(store().unwrap(), "Fjoe@x|Told@x|Ta@y|");
        fs::write(&file, "F:joe:new@x\n").unwrap();
        assert_eq!(store().unwrap(), "Fjoe@x|Tnew@x|Ta@y|");
        fs::remove_file(&file).unwrap();
        assert_eq!(store().unwrap(), "Fjoe@x|Ta@y|");
        fs::create_dir(&file).unwrap();
        assert!(matches!(store(), Err(EnqueueError::Control(_))));
        fs::remove_dir(&file).unwrap();
        assert_eq!(store().unwrap(), "Fjoe@x|Ta@y|");
    }

    #[test]
    fn a_copy_makes_no_envelope_that_is_too_long() {
        let (_home, queue) = installation(&format!("T:last:{}\n", "x".repeat(1000)));
        let mut incoming = queue.receive(&CALLER).unwrap();
        incoming.end_message().unwrap();
        incoming.envelope(b"F\0").unwrap();
        let record = [&b"T"[..], &[b'y'; 900], b"\0"].concat();
        let many = record.repeat(1000);
        let (mut length, limit) = (2, usize::try_from(ENVELOPE_MAX_BYTES).unwrap() - 64);
        while length + many.len() < limit {
            incoming.envelope(&many).unwrap();
            length += many.len();
        }
        while length + record.len() + 10 < limit {
            incoming.envelope(&record).unwrap();
            length += record.len();
        }
        assert!(matches!(incoming.envelope(b"Tlast\0"), Err(EnqueueError::EnvelopeTooLong)));
    }
}
