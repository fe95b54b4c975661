//! What is in the queue, for people: the pages of qmail-qread(8) and qmail-qstat(8) (contract 10.4, 10.5).
//!
//! Readers, not the manager: they show what they can of a broken file, and change nothing.

use crate::{
    channel::RECORD_MAX_BYTES,
    disk::{Disk, absent_is_fine},
    store::Queue,
};
use contracts::{
    Channel, QueueId,
    envelope::{DONE, WAITING},
};
use message::date;
use std::io::{self, Write};

/// Why a listing ends early.
#[derive(Debug, thiserror::Error)]
pub enum ListingError {
    /// A directory cannot be read.
    #[error("unable to opendir {directory}: {}", os::strerror::of(.source))]
    Directory {
        /// Its name, relative to the queue directory.
        directory: String,
        /// Why.
        source: io::Error,
    },
    /// Nobody reads what is printed.
    #[error("unable to write: {}", os::strerror::of(.0))]
    Write(#[from] io::Error),
}

impl<D: Disk> Queue<D> {
    /// Prints each preprocessed message, its recipients below it, as qmail-qread does.
    pub fn print_messages(&self, out: &mut impl Write) -> Result<(), ListingError> {
        for number in 0..self.layout.split() {
            for name in self.entries(format!("info/{number}"))? {
                let Some(id) = QueueId::parse(&name) else { continue };
                if let Err(trouble) = self.print_message(id, out)? {
                    writeln!(out, "warning: trouble with #{id}: {}", os::strerror::of(&trouble))?;
                }
            }
        }
        Ok(())
    }

    /// Prints how many messages there are, and how many of them are not yet preprocessed, as qmail-qstat does.
    pub fn print_counts(&self, out: &mut impl Write) -> Result<(), ListingError> {
        let mut messages = 0usize;
        for number in 0..self.layout.split() {
            messages = messages.saturating_add(self.entries(format!("mess/{number}"))?.len());
        }
        writeln!(out, "messages in queue: {messages}")?;
        let mut waiting = self.entries("todo".to_owned())?.len();
        if self.layout.is_big_todo() {
            // The directories among them are none; their entries are.
            waiting = waiting.saturating_sub(self.layout.todo_directories().count());
            for directory in self.layout.todo_directories() {
                waiting = waiting.saturating_add(self.entries(directory)?.len());
            }
        }
        Ok(writeln!(out, "messages in queue but not yet preprocessed: {waiting}")?)
    }

    /// The names in a directory, all at once: reading goes on while messages come and go.
    fn entries(&self, directory: String) -> Result<Vec<Vec<u8>>, ListingError> {
        let names = self.disk.names(&directory).and_then(Iterator::collect);
        names.map_err(|source| ListingError::Directory { directory, source })
    }

    /// The outer error is that of `out`, the inner one that of the message's files.
    fn print_message(&self, id: QueueId, out: &mut impl Write) -> io::Result<io::Result<()>> {
        let (size_bytes, birth, sender) = match self.head(id) {
            Ok(head) => head,
            Err(trouble) => return Ok(Err(trouble)),
        };
        let date = date::header(u64::try_from(birth).unwrap_or_default());
        let date = date.trim_end().trim_end_matches("-0000").trim_end();
        write!(out, "{date} GMT  #{id}  {size_bytes}  <{}> ", printable(&sender))?;
        let bouncing = self.stat_bounce(id).is_ok_and(|stat| stat.is_some());
        out.write_all(if bouncing { b" bouncing\n" } else { b"\n" })?;
        for channel in [Channel::Local, Channel::Remote] {
            if let Err(trouble) = self.print_recipients(id, channel, out)? {
                return Ok(Err(trouble));
            }
        }
        Ok(Ok(()))
    }

    /// Size of the message, arrival, sender.
    fn head(&self, id: QueueId) -> io::Result<(u64, i64, Vec<u8>)> {
        let size_bytes = self.disk.stat(&self.layout.message(id))?.size_bytes;
        let file = self.disk.open(&self.layout.info(id))?;
        let birth = self.disk.stat_open(&file)?.modified;
        let mut bytes = vec![0; RECORD_MAX_BYTES];
        let read = self.disk.read_at(&file, 0, &mut bytes)?;
        let record = bytes.get(..read).unwrap_or_default().split(|b| *b == 0).next().unwrap_or_default();
        Ok((size_bytes, birth, record.get(1..).unwrap_or_default().to_vec()))
    }

    fn print_recipients(
        &self,
        id: QueueId,
        channel: Channel,
        out: &mut impl Write,
    ) -> io::Result<io::Result<()>> {
        let file = match absent_is_fine(self.disk.open(&self.layout.channel(channel, id))) {
            Ok(Some(file)) => file,
            Ok(None) => return Ok(Ok(())),
            Err(trouble) => return Ok(Err(trouble)),
        };
        let (mut offset, mut bytes) = (0u64, vec![0; RECORD_MAX_BYTES]);
        loop {
            let read = match self.disk.read_at(&file, offset, &mut bytes) {
                Ok(read) => read,
                Err(trouble) => return Ok(Err(trouble)),
            };
            // What follows the last NUL is the beginning of a record that the next read has whole, or no record.
            let whole = bytes.get(..read).unwrap_or_default();
            let Some(end) = memchr::memrchr(0, whole) else { return Ok(Ok(())) };
            for record in whole.get(..end).unwrap_or_default().split(|b| *b == 0) {
                let prefix = match record.first() {
                    Some(&DONE) => "  done",
                    Some(&WAITING) => "",
                    _ => continue,
                };
                let address = printable(record.get(1..).unwrap_or_default());
                writeln!(out, "{prefix}\t{}\t{address}", channel.name())?;
            }
            offset = offset.saturating_add(end as u64).saturating_add(1);
        }
    }
}

/// What a terminal can be shown: bytes outside 32..126 become `_`.
fn printable(bytes: &[u8]) -> String {
    bytes.iter().map(|b| if (32..=126).contains(b) { char::from(*b) } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::real::RealDisk;
    use std::{fs, path::Path};

    fn put(home: &Path, name: &str, bytes: &[u8]) {
        let path = home.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn page(home: &Path, print: impl Fn(&Queue, &mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        print(&Queue::on(RealDisk::at(home)).unwrap(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn more_recipients_than_one_read_takes_are_all_listed_and_cannot_move_the_cursor() {
        let home = tempfile::tempdir().unwrap();
        put(home.path(), "mess/0/7", b"four");
        put(home.path(), "info/0/7", b"Fa\x1b[2J\0");
        let many: Vec<u8> = (0..9000).flat_map(|n| format!("Tr{n}@x.example\0").into_bytes()).collect();
        put(home.path(), "remote/0/7", &many);
        let page = page(home.path(), |queue, out| queue.print_messages(out).unwrap());
        assert!(page.contains("#7  4  <a_[2J> \n"), "{}", &page[..80]);
        assert_eq!(page.lines().count(), 9001);
        assert!(page.ends_with("\tremote\tr8999@x.example\n"));
    }

    #[test]
    fn hashed_envelopes_are_counted_too() {
        let home = tempfile::tempdir().unwrap();
        for name in ["mess/0/2", "mess/1/3", "todo/0/2", "todo/1/3", "todo/7"] {
            put(home.path(), name, b"");
        }
        let page = page(home.path(), |queue, out| queue.print_counts(out).unwrap());
        assert!(page.ends_with("not yet preprocessed: 3\n"), "{page}");
    }

    #[test]
    fn messages_are_counted_and_what_is_not_preprocessed_again() {
        let home = tempfile::tempdir().unwrap();
        for name in ["mess/0/2", "mess/1/3", "todo/3"] {
            put(home.path(), name, b"");
        }
        let page = page(home.path(), |queue, out| queue.print_counts(out).unwrap());
        assert_eq!(page, "messages in queue: 2\nmessages in queue but not yet preprocessed: 1\n");
    }
}
