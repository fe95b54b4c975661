//! maildirwatch(1): what is new in a Maildir, for a terminal (contract 12).
//!
//! Nothing but printable characters of the messages gets there (D61), and no more of them than a screen could show.

use crate::input::{Rest, read_header};
use message::field;
use std::collections::BinaryHeap;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Characters of subject and body that are shown of a message.
const SHOWN_CHARACTERS: usize = 158;
/// Characters of an address or a From field.
const LINE_CHARACTERS: usize = 300;
/// Messages that are shown, the oldest first.
const SHOWN_MESSAGES: usize = 1000;

const CLEAR: &[u8] = b"\x1b[H\x1b[J";

/// The screen for what is in `new` now.
pub fn screen(maildir: &Path) -> io::Result<Vec<u8>> {
    let mut messages: BinaryHeap<(SystemTime, PathBuf)> = BinaryHeap::new();
    for entry in fs::read_dir(maildir.join("new"))? {
        let entry = entry?;
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        // Gone meanwhile: then it is not new any more.
        if let (false, Ok(about)) = (is_hidden, entry.metadata())
            && about.is_file()
        {
            messages.push((about.modified()?, entry.path()));
            if messages.len() > SHOWN_MESSAGES {
                messages.pop();
            }
        }
    }
    let mut screen = CLEAR.to_vec();
    for (_, path) in messages.into_sorted_vec() {
        if let Some(lines) = File::open(path).ok().and_then(message) {
            screen.extend(lines);
        }
    }
    Ok(screen)
}

/// Its lines; `None` if it cannot be read.
fn message(file: impl Read) -> Option<Vec<u8>> {
    let mut input = BufReader::new(file);
    let (mut sender, mut recipient, mut from, mut text) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let rest = read_header(&mut input, &mut |line| {
        let (name, value) = field::split(&line).unwrap_or_default();
        let value = value.trim_ascii();
        match name.to_ascii_lowercase().as_slice() {
            b"return-path" => {
                let inner = value.strip_prefix(b"<").unwrap_or(value);
                sender = inner.strip_suffix(b">").unwrap_or(inner).to_vec();
            }
            // The last delivery stands above those before it.
            b"delivered-to" if recipient.is_empty() => recipient = value.to_vec(),
            b"from" => from = value.to_vec(),
            b"subject" => text = [value, b"\n"].concat(),
            _ => {}
        }
        Ok(())
    });
    match rest.ok()? {
        Rest::Nothing => {}
        Rest::Body => text.push(b'\n'),
        Rest::Unseparated(line) => text.extend(line),
    }
    let room = SHOWN_CHARACTERS.saturating_sub(text.len());
    input.take(u64::try_from(room).ok()?).read_to_end(&mut text).ok()?;
    let parts: [&[u8]; 8] = [
        b"FROM <",
        &harmless(&sender, LINE_CHARACTERS),
        b"> TO <",
        &harmless(&recipient, LINE_CHARACTERS),
        b">\n\x1b[1m",
        &harmless(&from, LINE_CHARACTERS),
        b"\x1b[0m\n",
        &harmless(&text, SHOWN_CHARACTERS),
    ];
    Some([parts.concat().as_slice(), b"\n\n"].concat())
}

/// At most so many characters, all of them printable; a slash for a line end.
fn harmless(text: &[u8], most: usize) -> Vec<u8> {
    let printable = |&byte: &u8| match byte {
        b'\n' => b'/',
        32..=126 => byte,
        _ => b'_',
    };
    text.iter().take(most).map(printable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_new_message_has_three_lines_the_oldest_first() {
        let maildir = tempfile::tempdir().unwrap();
        fs::create_dir(maildir.path().join("new")).unwrap();
        let put = |name: &str, text: &str, minute: u64| {
            let path = maildir.path().join("new").join(name);
            fs::write(&path, text).unwrap();
            let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(60 * minute);
            File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
        };
        put("b", "no header\n", 1);
        put(
            "a",
            "Return-Path: <s@x>\nDelivered-To: joe@y\nDelivered-To: list@y\nFrom: S <s@x>\nSubject: hi\x1b[2J\n\nbody\nmore\n",
            2,
        );
        put(".hidden", "Subject: no\n", 3);
        assert_eq!(
            screen(maildir.path()).unwrap().escape_ascii().to_string(),
            "\\x1b[H\\x1b[JFROM <> TO <>\\n\\x1b[1m\\x1b[0m\\nno header/\\n\\n\
             FROM <s@x> TO <joe@y>\\n\\x1b[1mS <s@x>\\x1b[0m\\nhi_[2J//body/more/\\n\\n"
        );
        assert!(screen(&maildir.path().join("absent")).is_err());
    }

    proptest! {
        #[test]
        fn no_message_gets_a_control_character_through(text: Vec<u8>) {
            let lines = message(&text[..]).unwrap();
            let own = lines.iter().filter(|b| **b == 0x1b).count();
            prop_assert!(lines.iter().all(|b| (32..=126).contains(b) || matches!(b, b'\n' | 0x1b)) && own == 2);
            prop_assert!(lines.len() < SHOWN_CHARACTERS + 3 * LINE_CHARACTERS + 40);
        }
    }
}
