//! What our caller hands over: the whole message, then the envelope.
//!
//! QMQP says how long a message is before it sends it. A regular file tells its length; anything else is kept in
//! memory up to [`MEMORY_BYTES`] and in a file without a name beyond that.

use contracts::QueueExit;
use contracts::hand_off::{HandOffDecoder, HandOffError};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

/// What is kept in memory of a message.
pub const MEMORY_BYTES: usize = 1 << 20;

/// The longest envelope.
pub const ENVELOPE_MAX_BYTES: usize = 64 << 20;

/// A message with its envelope, ready to be sent more than once.
#[derive(Debug)]
pub struct HandOver {
    message: Message,
    /// Sender and recipients as netstrings.
    addresses: Vec<u8>,
}

#[derive(Debug)]
enum Message {
    Memory(Vec<u8>),
    File { file: File, start: u64, length: u64 },
}

impl HandOver {
    /// Reads both. An error is the exit code for it.
    pub fn read(message: File, envelope: File) -> Result<Self, QueueExit> {
        let message = Message::read(message)?;
        Ok(Self { message, addresses: addresses(envelope)? })
    }

    /// The length of the message.
    pub fn message_length(&self) -> u64 {
        match &self.message {
            Message::Memory(bytes) => bytes.len().try_into().unwrap_or(u64::MAX),
            Message::File { length, .. } => *length,
        }
    }

    /// The bytes of the message, from the beginning.
    pub fn message(&mut self) -> io::Result<Box<dyn Read + '_>> {
        Ok(match &mut self.message {
            Message::Memory(bytes) => Box::new(&bytes[..]),
            Message::File { file, start, length } => {
                file.seek(SeekFrom::Start(*start))?;
                Box::new(file.take(*length))
            }
        })
    }

    /// Sender and recipients as netstrings.
    pub fn addresses(&self) -> &[u8] {
        &self.addresses
    }
}

impl Message {
    fn read(mut source: File) -> Result<Self, QueueExit> {
        if let Ok(about) = source.metadata()
            && about.is_file()
            && let Ok(start) = source.stream_position()
        {
            let length = about.len().saturating_sub(start);
            return Ok(Self::File { file: source, start, length });
        }
        let mut bytes = Vec::new();
        let most = u64::try_from(MEMORY_BYTES).unwrap_or(u64::MAX);
        (&source).take(most).read_to_end(&mut bytes).map_err(|_| QueueExit::ReadError)?;
        if bytes.len() < MEMORY_BYTES {
            return Ok(Self::Memory(bytes));
        }
        let mut file = nameless_file().map_err(|_| QueueExit::WriteError)?;
        file.write_all(&bytes).map_err(|_| QueueExit::WriteError)?;
        spool(&mut source, &mut file)?;
        let length = file.stream_position().map_err(|_| QueueExit::WriteError)?;
        Ok(Self::File { file, start: 0, length })
    }
}

fn spool(source: &mut File, file: &mut File) -> Result<(), QueueExit> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match source.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                let bytes = buffer.get(..count).unwrap_or_default();
                file.write_all(bytes).map_err(|_| QueueExit::WriteError)?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Err(QueueExit::ReadError),
        }
    }
}

/// A file that nobody else can open and that is gone with us.
fn nameless_file() -> io::Result<File> {
    let directory = std::env::var_os("TMPDIR").map_or_else(|| PathBuf::from("/tmp"), PathBuf::from);
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600).custom_flags(nix::libc::O_TMPFILE);
    options.open(directory)
}

fn addresses(envelope: File) -> Result<Vec<u8>, QueueExit> {
    let mut bytes = Vec::new();
    let most = u64::try_from(ENVELOPE_MAX_BYTES).unwrap_or(u64::MAX);
    envelope.take(most).read_to_end(&mut bytes).map_err(|_| QueueExit::ReadError)?;
    if bytes.len() >= ENVELOPE_MAX_BYTES {
        return Err(QueueExit::OutOfMemory);
    }
    encode(&bytes)
}

/// The addresses of an envelope as netstrings.
fn encode(envelope: &[u8]) -> Result<Vec<u8>, QueueExit> {
    let (mut decoder, mut records) = (HandOffDecoder::default(), Vec::new());
    decoder.push(envelope, &mut records).map_err(|error| match error {
        HandOffError::AddressTooLong => QueueExit::AddressTooLong,
        HandOffError::UnknownRecord(_) => QueueExit::EnvelopeFormat,
    })?;
    if !decoder.is_complete() {
        return Err(QueueExit::EnvelopeFormat);
    }
    let mut out = Vec::with_capacity(records.len());
    for record in records.split(|&byte| byte == 0) {
        if let Some((_, address)) = record.split_first() {
            netstring::push(&mut out, address);
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spooled(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        file
    }

    #[test]
    fn a_pipe_of_any_length_is_sent_twice_the_same() {
        for length in [0, 10, MEMORY_BYTES, MEMORY_BYTES + 12_345] {
            let text: Vec<u8> = (0..length).map(|n| u8::try_from(n % 251).unwrap()).collect();
            let (reader, mut writer) = io::pipe().unwrap();
            let wanted = text.clone();
            let writing = std::thread::spawn(move || writer.write_all(&text));
            let source = File::from(std::os::fd::OwnedFd::from(reader));
            let mut hand_over = HandOver::read(source, spooled(b"Fa\0\0")).unwrap();
            writing.join().unwrap().unwrap();
            assert_eq!(hand_over.message_length(), u64::try_from(wanted.len()).unwrap());
            for _ in 0..2 {
                let mut got = Vec::new();
                hand_over.message().unwrap().read_to_end(&mut got).unwrap();
                assert!(got == wanted, "{length}");
            }
        }
    }

    #[test]
    fn a_file_is_sent_from_where_it_stands() {
        let mut file = spooled(b"skip this");
        file.seek(SeekFrom::Start(5)).unwrap();
        let mut hand_over = HandOver::read(file, spooled(b"Fs@x\0Tr@y\0T\0\0")).unwrap();
        let mut got = Vec::new();
        hand_over.message().unwrap().read_to_end(&mut got).unwrap();
        assert_eq!((got.as_slice(), hand_over.message_length()), (&b"this"[..], 4));
        assert_eq!(hand_over.addresses(), b"3:s@x,3:r@y,0:,");
    }

    #[test]
    fn envelopes_that_are_none() {
        for wrong in [&b""[..], b"X", b"Fs@x\0Tr@y\0", b"Fs@x\0Xr\0\0"] {
            assert_eq!(encode(wrong), Err(QueueExit::EnvelopeFormat), "{}", wrong.escape_ascii());
        }
        let long = [b"F".as_slice(), &[b'x'; 1003], b"\0\0"].concat();
        assert_eq!(encode(&long), Err(QueueExit::AddressTooLong));
    }

    proptest! {
        #[test]
        fn any_envelope_is_an_answer(bytes: Vec<u8>) {
            let _ = encode(&bytes);
        }
    }
}
