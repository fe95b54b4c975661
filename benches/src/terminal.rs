//! Words to whoever watches. A closed pipe is no reason to stop.

use std::io::Write;

/// One line, at once.
pub fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // Nobody listening is not our trouble.
    let _ = out.write_all(line.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush());
}
