//! Where a delivery's words go: its own, and those of the programs it runs.
//!
//! In the classic form they go to our own descriptors 1 and 2. In a worker each delivery has its
//! words captured, for the answer.

use std::io::{self, PipeWriter, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::thread::JoinHandle;

/// Takes words, and gives programs a place for theirs.
pub trait Output {
    /// Standard output.
    fn say(&mut self, text: &[u8]);
    /// Standard error.
    fn complain(&mut self, text: &[u8]);
    /// Standard output and standard error for a program.
    fn for_program(&mut self) -> io::Result<(OwnedFd, OwnedFd)>;
}

/// Our own descriptors 1 and 2.
#[derive(Debug, Default)]
pub struct Direct;

impl Output for Direct {
    // Whoever closed these descriptors does not want to know.
    fn say(&mut self, text: &[u8]) {
        let mut out = io::stdout().lock();
        let _ = out.write_all(text).and_then(|()| out.flush());
    }

    fn complain(&mut self, text: &[u8]) {
        let _ = io::stderr().lock().write_all(text);
    }

    fn for_program(&mut self) -> io::Result<(OwnedFd, OwnedFd)> {
        Ok((io::stdout().as_fd().try_clone_to_owned()?, io::stderr().as_fd().try_clone_to_owned()?))
    }
}

/// Keeps the first bytes of all that is said, in the order in which it is said, and drops the rest.
#[derive(Debug)]
pub struct Captured {
    limit: usize,
    text: Vec<u8>,
    pipe: Option<(PipeWriter, JoinHandle<Vec<u8>>)>,
}

impl Captured {
    /// Keeps at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, text: Vec::new(), pipe: None }
    }

    /// What was said. Waits until every program that may still say something is gone, also those that
    /// a program left running behind it, as qmail-lspawn always has: their output belongs to the
    /// report, and closing the pipe would end them.
    pub fn finish(self) -> Vec<u8> {
        let Self { limit, mut text, pipe } = self;
        if let Some((writer, reader)) = pipe {
            drop(writer);
            text.extend(reader.join().unwrap_or_default());
            text.truncate(limit);
        }
        text
    }

    fn add(&mut self, text: &[u8]) {
        match &mut self.pipe {
            // Behind what programs have written: the reader is always there to make room.
            Some((writer, _)) => {
                let _ = writer.write_all(text);
            }
            None => {
                let room = self.limit.saturating_sub(self.text.len());
                self.text.extend(text.iter().take(room));
            }
        }
    }
}

impl Output for Captured {
    fn say(&mut self, text: &[u8]) {
        self.add(text);
    }

    fn complain(&mut self, text: &[u8]) {
        self.add(text);
    }

    fn for_program(&mut self) -> io::Result<(OwnedFd, OwnedFd)> {
        if self.pipe.is_none() {
            let (reader, writer) = io::pipe()?;
            let limit = self.limit;
            let thread = std::thread::Builder::new()
                .stack_size(READER_STACK_BYTES)
                .spawn(move || read_all(reader, limit))?;
            self.pipe = Some((writer, thread));
        }
        let (writer, _) = self.pipe.as_ref().ok_or(io::ErrorKind::NotFound)?;
        Ok((writer.try_clone()?.into(), writer.try_clone()?.into()))
    }
}

/// The reader needs a buffer and little else.
const READER_STACK_BYTES: usize = 64 * 1024;

fn read_all(mut pipe: io::PipeReader, limit: usize) -> Vec<u8> {
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match pipe.read(&mut buffer) {
            Ok(0) => return text,
            Ok(read) => {
                let room = limit.saturating_sub(text.len());
                text.extend(buffer.iter().take(read.min(room)));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_kept_in_order_up_to_the_limit() {
        let mut output = Captured::new(20);
        output.say(b"one ");
        let (stdout, stderr) = output.for_program().unwrap();
        std::fs::File::from(stdout).write_all(b"two ").unwrap();
        output.complain(b"three ");
        std::fs::File::from(stderr).write_all(&[b'x'; 200_000]).unwrap();
        assert_eq!(output.finish(), b"one two three xxxxxx");

        let mut output = Captured::new(3);
        output.say(b"much too long");
        assert_eq!(output.finish(), b"muc");
    }
}
