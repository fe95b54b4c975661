//! Running a program of the user's on the message with something before it.

use super::Ending;
use os::strerror;
use std::ffi::OsStr;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};

/// What is gathered before it is written. A program that does not read so much need not read at all.
const BUFFER_BYTES: usize = 8192;

/// What to feed, and how to take it when something goes wrong.
#[derive(Clone, Copy, Debug)]
pub struct Feed<'a> {
    /// Our own name.
    pub feeder: &'a str,
    /// What comes before the message.
    pub head: &'a [u8],
    /// Whether a missing program is worth no other try.
    pub missing_is_permanent: bool,
    /// Whether the program has to read it all.
    pub must_read: bool,
}

impl Feed<'_> {
    /// Runs a command, found by PATH, and ends as it does.
    pub fn run(&self, command: &[Vec<u8>], input: &mut dyn Read) -> Ending {
        let (program, arguments) =
            command.split_first().map_or((&[][..], command), |(p, a)| (p.as_slice(), a));
        let child = Command::new(OsStr::from_bytes(program))
            .args(arguments.iter().map(|argument| OsStr::from_bytes(argument)))
            .stdin(Stdio::piped())
            .spawn();
        let mut child = match child {
            Ok(child) => child,
            Err(error) => {
                let permanent = self.missing_is_permanent && !strerror::is_temporary(&error);
                let text = [b"unable to run ", program, b": ", strerror::of(&error).as_bytes()].concat();
                return Ending::fatal(self.feeder, if permanent { 100 } else { 111 }, &text);
            }
        };
        if let Some(pipe) = child.stdin.take()
            && let Err(error) = self.write(pipe, input)
        {
            return Ending::trouble(self.feeder, "unable to copy input", &error);
        }
        match child.wait() {
            Ok(status) => match status.code().and_then(|code| u8::try_from(code).ok()) {
                Some(code) => Ending::silent(code),
                None => Ending::fatal(self.feeder, 111, b"child crashed"),
            },
            Err(error) => Ending::trouble(self.feeder, "wait failed", &error),
        }
    }

    fn write(&self, pipe: impl Write, input: &mut dyn Read) -> io::Result<()> {
        let mut pipe = BufWriter::with_capacity(BUFFER_BYTES, pipe);
        let copied = pipe.write_all(self.head).and_then(|()| copy(input, &mut pipe));
        // The program has what it wanted: that it leaves the end unread is its own affair.
        let _ = pipe.flush();
        if self.must_read { copied } else { Ok(()) }
    }
}

/// Not `io::copy`, which empties the buffer early.
fn copy(input: &mut dyn Read, output: &mut dyn Write) -> io::Result<()> {
    let mut piece = [0; BUFFER_BYTES];
    loop {
        match input.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(length) => output.write_all(piece.get(..length).unwrap_or_default())?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(script: &str, message: &[u8]) -> (u8, String) {
        let feed = Feed { feeder: "me", head: b"head\n", missing_is_permanent: true, must_read: true };
        let ending = feed.run(&[b"/bin/sh".to_vec(), b"-c".to_vec(), script.into()], &mut &message[..]);
        (ending.exit, String::from_utf8(ending.text).unwrap())
    }

    #[test]
    fn the_program_reads_head_and_message_and_its_exit_code_counts() {
        assert_eq!(
            feed(
                "test \"$(cat)\" = \"head
body\"",
                b"body\n"
            )
            .0,
            0
        );
        assert_eq!(feed("exit 99", b"body\n"), (99, String::new()));
        assert_eq!(feed("kill -9 $$", b""), (111, "me: fatal: child crashed\n".into()));
    }

    #[test]
    fn a_program_that_leaves_much_unread_is_tried_again() {
        let long = vec![b'x'; 1 << 20];
        assert_eq!(feed("exit 0", &long), (111, "me: fatal: unable to copy input: broken pipe\n".into()));
    }
}
