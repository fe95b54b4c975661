//! What the programs of this crate have in common as processes: arguments as bytes, the home directory, output that
//! nobody may be reading.

use std::io::{BufReader, Read, Stdin, Write};
use std::os::unix::ffi::OsStringExt;

/// Bytes asked for in one read of a message.
const INPUT_BUFFER_BYTES: usize = 64 * 1024;

/// argv\[0\], and the rest.
pub fn command_line() -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut arguments = std::env::args_os().map(OsStringExt::into_vec);
    (arguments.next().unwrap_or_default(), arguments.collect())
}

/// Descriptor 0, in large pieces and without a second buffer in between.
pub fn standard_input() -> BufReader<Unbuffered> {
    BufReader::with_capacity(INPUT_BUFFER_BYTES, Unbuffered(std::io::stdin()))
}

/// Standard input. Reads as large as its own buffer or larger go past that buffer.
#[derive(Debug)]
pub struct Unbuffered(Stdin);

impl Read for Unbuffered {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer)
    }
}

/// Puts descriptor 0, which must be a file, to its beginning.
pub fn rewind_input() -> std::io::Result<()> {
    nix::unistd::lseek(std::io::stdin(), 0, nix::unistd::Whence::SeekSet)?;
    Ok(())
}

/// Says something on standard error. If nobody hears it, the exit code still tells.
pub fn say(text: &[u8]) {
    let _ = std::io::stderr().write_all(text);
}
