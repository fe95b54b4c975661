//! Where a delivery's words go: its own, and those of the programs it runs.
//!
//! In the classic form they go to our own descriptors 1 and 2. In a worker each delivery has its
//! words captured, for the answer.

use std::io::{self, PipeReader, PipeWriter, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

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
    pipe: Option<(PipeWriter, Arc<Heard>)>,
}

/// What has come out of the pipe so far. A thread reads it all the time, so that nobody ever waits for room in it.
#[derive(Debug, Default)]
struct Heard {
    text: Mutex<Text>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct Text {
    bytes: Vec<u8>,
    ended: bool,
}

impl Captured {
    /// Keeps at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, text: Vec::new(), pipe: None }
    }

    /// What was said. Waits until everybody who may still say something is gone, also what a program left running
    /// behind it, as qmail-lspawn always has: its words belong to the report. With `patience`, which is asked for only
    /// if there was a program, the wait ends then.
    pub fn finish(self, patience: impl FnOnce() -> Option<Duration>) -> Vec<u8> {
        let Self { limit, mut text, pipe } = self;
        if let Some((writer, heard)) = pipe {
            drop(writer);
            let mut bytes = heard.wait(patience());
            bytes.truncate(limit.saturating_sub(text.len()));
            text.append(&mut bytes);
        }
        text
    }

    fn add(&mut self, text: &[u8]) {
        match &mut self.pipe {
            // Behind what programs have written.
            Some((writer, _)) => {
                let _ = writer.write_all(text);
            }
            None => {
                let room = self.limit.saturating_sub(self.text.len());
                self.text.extend(text.iter().take(room));
            }
        }
    }

    fn open_pipe(&self) -> io::Result<(PipeWriter, Arc<Heard>)> {
        let (reader, writer) = io::pipe()?;
        let heard = Arc::new(Heard::default());
        let (limit, ours) = (self.limit, Arc::clone(&heard));
        let thread = std::thread::Builder::new().stack_size(READER_STACK_BYTES);
        thread.spawn(move || ours.listen(reader, limit))?;
        Ok((writer, heard))
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
            self.pipe = Some(self.open_pipe()?);
        }
        let (writer, _) = self.pipe.as_ref().ok_or(io::ErrorKind::NotFound)?;
        Ok((writer.try_clone()?.into(), writer.try_clone()?.into()))
    }
}

/// The reader needs a small buffer and little else.
const READER_STACK_BYTES: usize = 64 * 1024;

impl Heard {
    /// Reads to the end. As long as somebody holds the pipe it is read, even when nobody wants to know any more:
    /// closing it would end them.
    fn listen(&self, mut pipe: PipeReader, limit: usize) {
        let mut buffer = [0; 4096];
        loop {
            match pipe.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => break,
                Ok(read) => {
                    let text = &mut self.lock().bytes;
                    let room = limit.saturating_sub(text.len());
                    text.extend(buffer.iter().take(read.min(room)));
                }
            }
        }
        self.lock().ended = true;
        self.ended.notify_one();
    }

    fn wait(&self, patience: Option<Duration>) -> Vec<u8> {
        let more = |text: &mut Text| !text.ended;
        let mut text = match patience {
            None => self.ended.wait_while(self.lock(), more).unwrap_or_else(PoisonError::into_inner),
            Some(patience) => {
                let waited = self.ended.wait_timeout_while(self.lock(), patience, more);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        std::mem::take(&mut text.bytes)
    }

    fn lock(&self) -> MutexGuard<'_, Text> {
        self.text.lock().unwrap_or_else(PoisonError::into_inner)
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
        assert_eq!(output.finish(|| None), b"one two three xxxxxx");

        let mut output = Captured::new(3);
        output.say(b"much too long");
        assert_eq!(output.finish(|| None), b"muc");
    }

    #[test]
    fn who_stays_behind_is_not_waited_for_for_ever() {
        let mut output = Captured::new(20);
        let (stdout, _) = output.for_program().unwrap();
        output.say(b"done");
        assert!(b"done".starts_with(&output.finish(|| Some(Duration::from_millis(20)))));
        std::fs::File::from(stdout).write_all(b"still there").unwrap();
    }
}
