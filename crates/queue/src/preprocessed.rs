//! From S4 to S5: info, local and remote of a batch of messages, made durable together.

use crate::{
    Channel,
    disk::{Disk, unlink_if_present},
    store::Queue,
};
use contracts::{QueueId, envelope};
use std::{collections::BTreeSet, io};

/// A message whose recipients have been rewritten and sorted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Preprocessed {
    /// The message.
    pub id: QueueId,
    /// The envelope sender.
    pub sender: Vec<u8>,
    /// Arrival, seconds since 1970; becomes the modification time of info.
    pub birth: i64,
    local: Vec<u8>,
    remote: Vec<u8>,
}

impl Preprocessed {
    /// A message without recipients so far.
    pub fn new(id: QueueId, sender: &[u8], birth: i64) -> Self {
        Self { id, sender: sender.to_vec(), birth, local: Vec::new(), remote: Vec::new() }
    }

    /// Adds a rewritten recipient.
    pub fn add(&mut self, channel: Channel, recipient: &[u8]) {
        self.records_mut(channel).extend_from_slice(&envelope::recipient(recipient));
    }

    /// How long the record of a rewritten recipient is.
    pub fn record_bytes(recipient: &[u8]) -> u64 {
        (recipient.len() as u64).saturating_add(2)
    }

    /// True when the channel has a recipient and so will have a file.
    pub fn has(&self, channel: Channel) -> bool {
        !self.records(channel).is_empty()
    }

    fn records(&self, channel: Channel) -> &[u8] {
        match channel {
            Channel::Local => &self.local,
            Channel::Remote => &self.remote,
        }
    }

    fn records_mut(&mut self, channel: Channel) -> &mut Vec<u8> {
        match channel {
            Channel::Local => &mut self.local,
            Channel::Remote => &mut self.remote,
        }
    }
}

impl<D: Disk> Queue<D> {
    /// Writes info, local and remote of each message and returns, in the same order, which of them are durable. Of
    /// those, `todo/ID` may now be removed (by `qmail-clean`): S5 begins with its removal.
    ///
    /// All files are written before the first is waited for, and each directory is synced once, so a batch costs
    /// little more than a single message. On an error the message's files may remain; it is still in S4, and the next
    /// try starts from scratch, as does one after a crash.
    pub fn write_preprocessed(&self, batch: &[Preprocessed]) -> Vec<io::Result<()>> {
        // Left over from a try that failed, then written anew. Nothing is visible of it while todo exists.
        let written: Vec<_> = batch.iter().map(|message| self.write_files(message)).collect();
        written.iter().flatten().flatten().for_each(|file| self.disk.start_sync(file));

        // The files' bytes, then the names that lead to them.
        let synced: Vec<io::Result<()>> = written
            .into_iter()
            .map(|files| files?.iter().try_for_each(|file| self.disk.sync(file)))
            .collect();
        let directories: BTreeSet<String> = batch.iter().flat_map(|m| self.directories(m)).collect();
        let failed: BTreeSet<String> =
            directories.into_iter().filter(|name| self.sync_directory(name).is_err()).collect();

        let outcome = |(message, synced): (&Preprocessed, io::Result<()>)| {
            let lost = self.directories(message).any(|name| failed.contains(&name));
            synced.and(if lost { Err(io::Error::other("a directory could not be synced")) } else { Ok(()) })
        };
        batch.iter().zip(synced).map(outcome).collect()
    }

    fn write_files(&self, message: &Preprocessed) -> io::Result<Vec<D::File>> {
        let id = message.id;
        for stale in Channel::BOTH.map(|channel| self.layout.channel(channel, id)) {
            unlink_if_present(&self.disk, &stale)?;
        }
        let info = self.layout.info(id);
        unlink_if_present(&self.disk, &info)?;

        let mut files = Vec::with_capacity(3);
        files.push(self.write_file(&info, &envelope::info(&message.sender))?);
        self.disk.set_times(&info, message.birth)?;
        for channel in Channel::BOTH.into_iter().filter(|&channel| message.has(channel)) {
            let name = self.layout.channel(channel, id);
            files.push(self.write_file(&name, message.records(channel))?);
            // Due at once, also after a restart.
            self.disk.set_times(&name, message.birth)?;
        }
        Ok(files)
    }

    fn write_file(&self, name: &str, bytes: &[u8]) -> io::Result<D::File> {
        let file = self.disk.create(name)?;
        self.disk.append(&file, bytes)?;
        Ok(file)
    }

    fn directories(&self, message: &Preprocessed) -> impl Iterator<Item = String> {
        let (layout, id) = (self.layout, message.id);
        let channels = Channel::BOTH.map(|channel| message.has(channel).then(|| channel.name()));
        [Some("info")].into_iter().chain(channels).flatten().map(move |name| layout.directory_of(name, id))
    }
}
