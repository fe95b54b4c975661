//! A message of a given size that carries its number.

use std::sync::Arc;

/// The header field by which a message is known again.
const FIELD: &str = "X-Bench: ";

/// Digits of a number: fixed, so that all messages have the same size.
const DIGITS: usize = 10;

/// Bytes of a line of the body, with its end.
const LINE: usize = 72;

/// A message without its number.
#[derive(Clone, Debug)]
pub struct Text {
    end: &'static str,
    rest: Arc<[u8]>,
}

impl Text {
    /// A message of about that many bytes, as SMTP wants it: lines end in CR LF, the last one is the dot.
    pub fn for_smtp(size: usize) -> Self {
        Self { end: "\r\n", rest: rest(size, "\r\n", ".\r\n") }
    }

    /// The same for a local program.
    pub fn for_program(size: usize) -> Self {
        Self { end: "\n", rest: rest(size, "\n", "") }
    }

    /// The first header field, with the number.
    pub fn head(&self, number: u64) -> String {
        format!("{FIELD}{number:0DIGITS$}{}", self.end)
    }

    /// Everything after it, and the dot.
    pub fn rest(&self) -> &Arc<[u8]> {
        &self.rest
    }
}

fn rest(size: usize, end: &str, dot: &str) -> Arc<[u8]> {
    let mut text = format!(
        "From: sender@client.example{end}To: recipient@bench.example{end}Subject: a message to measure with{end}\
         Date: Mon, 23 Nov 2026 12:00:00 +0000{end}Message-ID: <bench@client.example>{end}{end}"
    )
    .into_bytes();
    let head = FIELD.len() + DIGITS + end.len();
    let mut line = vec![b'a'; LINE - end.len()];
    line.extend(end.as_bytes());
    while text.len() + head + LINE <= size {
        text.extend(&line);
    }
    text.extend(dot.as_bytes());
    text.into()
}

/// The number of a message, from its beginning: whatever was put before the field does not matter.
pub fn number_in(beginning: &[u8]) -> Option<u64> {
    let at = memchr::memmem::find(beginning, FIELD.as_bytes())?;
    let digits = beginning.get(at + FIELD.len()..)?.get(..DIGITS)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Text, number_in};

    #[test]
    fn a_message_has_its_size_and_its_number() {
        for size in [1024, 10 * 1024] {
            let text = Text::for_smtp(size);
            let whole = [text.head(42).as_bytes(), text.rest()].concat();
            assert!(whole.len() <= size + 3 && whole.len() + 80 > size, "{}", whole.len());
            assert!(whole.ends_with(b"\r\n.\r\n"));
            let received = [b"Received: by somebody\r\n", whole.as_slice()].concat();
            assert_eq!(number_in(&received), Some(42));
        }
    }

    #[test]
    fn what_is_cut_short_has_no_number() {
        assert_eq!(number_in(b"X-Bench: 00012"), None);
        assert_eq!(number_in(b""), None);
    }
}
