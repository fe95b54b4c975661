//! qbiff(1): tells its user, on the terminals that want to hear it, that mail has come.
//!
//! A terminal wants to when its owner, who must be us, may execute it (biff y). Nothing is written to it but printable
//! characters, line ends and a bell (D61). Whatever happens, the mail counts as delivered.

use crate::environment::Environment;
use crate::input::{Rest, read_header};
use message::field::{self, KnownField};
use std::io::{BufRead, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Characters of the message that are shown.
const SHOWN_CHARACTERS: usize = 78;

/// Terminals below `terminals` (`/dev`) where `utmp` says that `USER` is.
pub fn run(environment: &Environment, input: &mut dyn BufRead, utmp: &Path, terminals: &Path) {
    let Some(user) = environment.value("USER") else { return };
    let Some(text) = notice(environment, input) else { return };
    for session in os::utmp::sessions(utmp).unwrap_or_default() {
        let plain =
            !session.line.split(|&b| b == b'/').any(|part| part == b"..") && !session.line.starts_with(b"/");
        if plain && session.user == user {
            // A terminal that cannot be written to hears nothing.
            let _ = tell(&terminals.join(std::ffi::OsStr::from_bytes(&session.line)), &text);
        }
    }
}

fn tell(terminal: &Path, text: &[u8]) -> std::io::Result<()> {
    const OWNER_MAY_EXECUTE: u32 = 0o100;
    let flags = nix::fcntl::OFlag::O_NONBLOCK | nix::fcntl::OFlag::O_NOCTTY;
    let mut file = std::fs::OpenOptions::new().append(true).custom_flags(flags.bits()).open(terminal)?;
    let found = file.metadata()?;
    if found.uid() == nix::unistd::getuid().as_raw() && found.mode() & OWNER_MAY_EXECUTE != 0 {
        file.write_all(text)?;
    }
    Ok(())
}

/// `*** TO <local> FROM <sender>`, and the beginning of subject and body below it.
fn notice(environment: &Environment, input: &mut dyn BufRead) -> Option<Vec<u8>> {
    let (local, sender) = (environment.value("LOCAL")?, environment.value("SENDER")?);
    let mut text = Vec::new();
    let rest = read_header(input, &mut |line| {
        if KnownField::of(&line) == Some(KnownField::Subject) {
            text.extend_from_slice(
                field::split(&line).map(|(_, value)| value.trim_ascii_start()).unwrap_or_default(),
            );
        }
        Ok(())
    });
    match rest {
        Ok(Rest::Nothing) => {}
        Ok(Rest::Body) => text.push(b'\n'),
        Ok(Rest::Unseparated(line)) => text.extend_from_slice(&line),
        Err(_) => return None,
    }
    let room = SHOWN_CHARACTERS.saturating_sub(text.len());
    Read::take(input, u64::try_from(room).ok()?).read_to_end(&mut text).ok()?;
    let text: Vec<u8> =
        text.into_iter().map(|b| if b == b'\n' { b'/' } else { b }).take(SHOWN_CHARACTERS).collect();
    let heading = [b"*** TO <".as_slice(), local, b"> FROM <", sender, b">"].concat();
    Some([b"\r\n\x07".as_slice(), &harmless(&heading), b"\r\n    ", &harmless(&text), b"\r\n"].concat())
}

fn harmless(text: &[u8]) -> Vec<u8> {
    text.iter().map(|&b| if (32..=126).contains(&b) { b } else { b'_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn environment() -> Environment {
        [("LOCAL", "joe"), ("SENDER", "s\x1b[2J@x"), ("USER", "joe")]
            .into_iter()
            .map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec()))
            .collect()
    }

    #[test]
    fn subject_and_body_share_one_line() {
        let message = b"From: x\nSubject: hello\n\nbody\x07\nFrom y\n";
        let text = notice(&environment(), &mut &message[..]).unwrap();
        assert_eq!(text, b"\r\n\x07*** TO <joe> FROM <s_[2J@x>\r\n    hello//body_/From y/\r\n");
    }

    proptest! {
        #[test]
        fn no_message_gets_a_control_character_through(message: Vec<u8>) {
            let text = notice(&environment(), &mut &message[..]).unwrap();
            let body = text.strip_prefix(b"\r\n\x07").unwrap();
            prop_assert!(body.iter().all(|b| (32..=126).contains(b) || matches!(b, b'\r' | b'\n')));
            prop_assert!(text.len() < SHOWN_CHARACTERS + 60);
        }
    }
}
