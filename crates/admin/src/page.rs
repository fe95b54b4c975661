//! Words on a terminal. A closed pipe is no reason to stop, and colour is for terminals only.

use std::io::{IsTerminal, Write};

/// One line, at once.
pub fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // Nobody listening is not our trouble.
    let _ = out.write_all(line.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush());
}

/// One line on the error stream.
pub fn complain(line: &str) {
    let mut out = std::io::stderr().lock();
    let _ = out.write_all(line.as_bytes()).and_then(|()| out.write_all(b"\n"));
}

/// A title with room above it.
pub fn title(text: &str) {
    say("");
    if std::io::stdout().is_terminal() {
        say(&format!("\x1b[1m{text}\x1b[0m"));
    } else {
        say(text);
    }
    say("");
}

/// Bytes of a stranger as one line of harmless text: what is not printable ASCII becomes `_`.
pub fn harmless(bytes: &[u8]) -> String {
    let shown = |&b: &u8| if b.is_ascii_graphic() || b == b' ' { char::from(b) } else { '_' };
    bytes.iter().filter(|&&b| b != b'\r' && b != b'\n').map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn control_bytes_do_not_reach_the_terminal() {
        assert_eq!(harmless(b"250 ok\x1b[2J\xff\r\n"), "250 ok_[2J_");
    }
}
