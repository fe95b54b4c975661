//! A message on its way into the queue: the durable steps of `qmail-queue` (contract 4.4 A), in both its forms.
//!
//! ```text
//! message and envelope into files without a name          S1, for everybody else
//! link mess/H/ID                                          S2
//! sync the message, the envelope, mess/H                  S2, durable
//! link todo/ID                                            S4
//! sync todo                                               S4, durable: accepted
//! ```
//!
//! On a disk that keeps the order of changes ([`Disk::keeps_order`]) there is one wait instead of two: the bytes of both
//! files are written out first, so that no name can be durable before what it stands for; then both names are made, and
//! the four syncs are one round (docs/decisions/0021-one-round-where-order-is-kept.md).
//!
//! ID is the message's inode number, so the names are ours alone. The second step waits for nothing: nobody looks
//! into `mess` for what is in neither `todo` nor `info`, so the link may be durable before the bytes are, and the
//! three syncs can share one wait. What is dropped before it is accepted leaves nothing behind (D35), as files
//! without a name go with the process, even a killed one.
//!
//! Where there are no files without a name, the message begins its life as `pid/...` and the envelope as `intd/ID`.

use crate::{
    disk::{Disk, SyncStep},
    enqueue_error::EnqueueError,
    store::Queue,
    tapping::Search,
    todo::ENVELOPE_MAX_BYTES,
};
use contracts::{QueueId, envelope, hand_off::HandOffDecoder};
use message::received::{self, InvokedBy};
use std::{
    io::{self, Read},
    sync::atomic::{AtomicU64, Ordering},
};

/// The longest message that is taken, the `Received` line not counted.
pub const MESSAGE_MAX_BYTES: u64 = 4 << 30;
/// Rounds of syncing between the end of the envelope and acceptance, each shared with all that come at the same time, on a
/// disk that keeps the order of changes ([`Disk::keeps_order`]) or not.
pub const fn rounds_of_syncing(keeps_order: bool) -> u64 {
    if keeps_order { 1 } else { 2 }
}

/// What is gathered before it is written.
const BUFFER_BYTES: usize = 64 * 1024;

/// The number in `Received: (qmail N ...)` and in the `p` record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Qp {
    /// The process id of `qmail-queue`.
    Process(u32),
    /// The queue id: unique, and it tells where the message is.
    QueueId,
}

/// On whose behalf a message is queued.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Caller {
    /// Real uid.
    pub uid: u32,
    /// What the `Received` line says of him.
    pub by: InvokedBy,
    /// When, seconds since 1970.
    pub now: u64,
    /// Which number to show.
    pub qp: Qp,
    /// Leave `intd/ID` behind, as the original does. Nothing needs it; tools that list the queue may expect it.
    pub keep_intd: bool,
}

/// A file that is not yet where it belongs.
#[derive(Debug)]
enum Draft<F> {
    Unnamed(F),
    Named(F, String),
}

impl<F> Draft<F> {
    fn file(&self) -> &F {
        match self {
            Self::Unnamed(file) | Self::Named(file, _) => file,
        }
    }
}

/// One message being queued: first its bytes, then its envelope, then [`Incoming::commit`]. Dropped before, it is
/// gone.
#[derive(Debug)]
pub struct Incoming<'q, D: Disk> {
    queue: &'q Queue<D>,
    id: QueueId,
    message: Draft<D::File>,
    message_bytes: u64,
    envelope: Option<Draft<D::File>>,
    envelope_bytes: u64,
    decoder: HandOffDecoder,
    search: Search,
    head: Vec<u8>,
    buffer: Vec<u8>,
    /// Names to take away again unless the message is accepted, the last first.
    made: Vec<String>,
}

impl<D: Disk> Queue<D> {
    /// Begins to queue a message.
    pub fn receive(&self, caller: &Caller) -> Result<Incoming<'_, D>, EnqueueError> {
        let search = self.search_for_copy()?;
        let mut made = Vec::new();
        let message = match self.disk.create_unnamed("mess/0").map_err(EnqueueError::Pid)? {
            Some(file) => Draft::Unnamed(file),
            None => {
                let name = pid_name(caller.now);
                let file = self.disk.create(&name).map_err(EnqueueError::Pid)?;
                made.push(name.clone());
                Draft::Named(file, name)
            }
        };
        let stat = self.disk.stat_open(message.file()).map_err(|error| {
            made.iter().for_each(|name| drop(self.disk.unlink(name)));
            EnqueueError::Pid(error)
        })?;
        let inode = stat.inode;
        let qp = match caller.qp {
            Qp::Process(pid) => u64::from(pid),
            Qp::QueueId => inode,
        };
        Ok(Incoming {
            queue: self,
            id: QueueId(inode),
            message,
            message_bytes: 0,
            envelope: None,
            envelope_bytes: 0,
            decoder: HandOffDecoder::default(),
            search,
            head: envelope::todo_head(caller.uid, qp),
            buffer: received::by_queue(qp, caller.by, caller.now),
            made,
        })
    }

    /// Queues the message that `message` and then `envelope` give, both read to their end.
    pub fn enqueue(
        &self,
        caller: &Caller,
        message: &mut impl Read,
        envelope: &mut impl Read,
    ) -> Result<QueueId, EnqueueError> {
        let mut incoming = self.receive(caller)?;
        read_all(message, |bytes| incoming.message(bytes).map(|()| true))?;
        incoming.end_message()?;
        read_all(envelope, |bytes| {
            incoming.envelope(bytes)?;
            Ok(!incoming.decoder.is_complete())
        })?;
        incoming.commit(caller.keep_intd)
    }
}

impl<D: Disk> Incoming<'_, D> {
    /// What the message will be called.
    pub fn id(&self) -> QueueId {
        self.id
    }

    /// Appends to the message.
    pub fn message(&mut self, bytes: &[u8]) -> Result<(), EnqueueError> {
        self.message_bytes = self.message_bytes.saturating_add(bytes.len() as u64);
        if self.message_bytes > MESSAGE_MAX_BYTES {
            return Err(EnqueueError::MessageTooLong);
        }
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    /// Ends the message.
    pub fn end_message(&mut self) -> Result<(), EnqueueError> {
        self.flush()?;
        let draft = match self.queue.disk.create_unnamed("todo").map_err(EnqueueError::Intd)? {
            Some(file) => Draft::Unnamed(file),
            None => {
                let name = self.queue.layout.under_construction(self.id);
                let file = self.queue.disk.create(&name).map_err(EnqueueError::Intd)?;
                self.made.push(name.clone());
                Draft::Named(file, name) // S3 once the message has its name, as in the original.
            }
        };
        self.envelope = Some(draft);
        self.buffer = std::mem::take(&mut self.head);
        Ok(())
    }

    /// Appends to the envelope, in the form of `contracts::hand_off`.
    pub fn envelope(&mut self, bytes: &[u8]) -> Result<(), EnqueueError> {
        self.count_envelope(bytes)?;
        let mut rest = bytes;
        while !rest.is_empty() && !self.decoder.is_complete() {
            let (piece, after) = self.search.cut(rest);
            rest = after;
            self.decoder.push(piece, &mut self.buffer)?;
            if let Some(copy) = self.search.after(piece) {
                self.count_envelope(&copy)?;
                self.buffer.extend_from_slice(&copy);
            }
        }
        if self.buffer.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    fn count_envelope(&mut self, bytes: &[u8]) -> Result<(), EnqueueError> {
        self.envelope_bytes = self.envelope_bytes.saturating_add(bytes.len() as u64);
        // With the u and p records it must stay readable.
        let fits = self.envelope_bytes <= ENVELOPE_MAX_BYTES.saturating_sub(64);
        fits.then_some(()).ok_or(EnqueueError::EnvelopeTooLong)
    }

    /// True once the envelope's final NUL has arrived.
    pub fn is_complete(&self) -> bool {
        self.decoder.is_complete()
    }

    /// Makes everything durable. With its return the message is the queue's responsibility.
    pub fn commit(mut self, keep_intd: bool) -> Result<QueueId, EnqueueError> {
        if !self.decoder.is_complete() {
            return Err(EnqueueError::EndedEarly);
        }
        self.flush()?;
        let (disk, layout, id) = (&self.queue.disk, self.queue.layout, self.id);
        let (mess, intd, todo) = (layout.message(id), layout.under_construction(id), layout.envelope(id));
        let Some(envelope) = &self.envelope else { return Err(EnqueueError::EndedEarly) };

        // A stale todo/ID would give our message to its recipients as soon as mess/ID has a name.
        if layout.envelopes(id).any(|todo| disk.stat(&todo).is_ok()) {
            return Err(EnqueueError::Todo(io::ErrorKind::AlreadyExists.into()));
        }
        let files @ [message_file, envelope_file] = [self.message.file(), envelope.file()];
        files.iter().for_each(|file| disk.start_sync(file));
        let in_one_round = disk.keeps_order();
        if in_one_round {
            files.iter().try_for_each(|file| disk.write_out(file)).map_err(EnqueueError::Write)?;
        }
        match &self.message {
            Draft::Unnamed(file) => disk.link_unnamed(file, &mess).map_err(EnqueueError::Mess)?,
            Draft::Named(_, name) => disk.link(name, &mess).map_err(EnqueueError::Mess)?,
        }
        self.made.push(mess); // S2
        if let Draft::Named(_, name) = &self.message {
            disk.unlink(name).map_err(EnqueueError::Pid)?;
            self.made.retain(|made| made != name);
        }
        let (directory, envelope_directory) = (layout.message_directory(id), layout.envelope_directory(id));
        let durable_message = || {
            [
                SyncStep::File(message_file),
                SyncStep::File(envelope_file),
                self.queue.directory_step(&directory),
            ]
        };
        if !in_one_round {
            let [message, envelope, name] = disk.sync_all(durable_message());
            message.and(envelope).map_err(EnqueueError::Write)?;
            name.map_err(EnqueueError::Mess)?; // S2, durable
        }

        if let (Draft::Unnamed(file), true) = (envelope, keep_intd)
            && disk.link_unnamed(file, &intd).is_ok()
        {
            self.made.push(intd.clone()); // S3
        }
        match envelope {
            Draft::Unnamed(file) => disk.link_unnamed(file, &todo).map_err(EnqueueError::Todo)?,
            Draft::Named(_, name) => disk.link(name, &todo).map_err(EnqueueError::Todo)?,
        }
        // S4: qmail-send may see it from now on. Should a sync fail, the envelope is taken back and the message left to
        // the sweep: who has seen the envelope already must not miss the message.
        let made = std::mem::replace(&mut self.made, vec![todo]);
        if in_one_round {
            let [message, envelope, name] = durable_message();
            let steps = [message, envelope, name, self.queue.directory_step(&envelope_directory)];
            let [message, envelope, name, visible] = disk.sync_all(steps);
            message.and(envelope).map_err(EnqueueError::Write)?;
            name.map_err(EnqueueError::Mess)?;
            visible.map_err(EnqueueError::Todo)?; // S4, durable: accepted
        } else {
            self.queue.sync_directory(&envelope_directory).map_err(EnqueueError::Todo)?; // S4, durable: accepted
        }
        self.made.clear();
        if let (Draft::Named(..), false) = (envelope, keep_intd) {
            let _ = made.iter().filter(|name| **name == intd).try_for_each(|name| disk.unlink(name));
        }
        Ok(id)
    }

    fn flush(&mut self) -> Result<(), EnqueueError> {
        let file = self.envelope.as_ref().unwrap_or(&self.message).file();
        self.queue.disk.append(file, &self.buffer).map_err(EnqueueError::Write)?;
        self.buffer.clear();
        Ok(())
    }
}

impl<D: Disk> Drop for Incoming<'_, D> {
    fn drop(&mut self) {
        while let Some(name) = self.made.pop() {
            let _ = self.queue.disk.unlink(&name);
        }
    }
}

/// `pid/PID.TIME.SEQ`, unique among the messages of this process and of others.
fn pid_name(now: u64) -> String {
    static SEQUENCE: AtomicU64 = AtomicU64::new(1);
    format!("pid/{}.{now}.{}", std::process::id(), SEQUENCE.fetch_add(1, Ordering::Relaxed))
}

/// Reads to the end, or until `take` has had enough.
fn read_all(
    from: &mut impl Read,
    mut take: impl FnMut(&[u8]) -> Result<bool, EnqueueError>,
) -> Result<(), EnqueueError> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => {
                if !take(buffer.get(..n).unwrap_or_default())? {
                    return Ok(());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(EnqueueError::Read(error)),
        }
    }
}
