//! Replies as a client reads them (RFC 5321 §4.2).
//!
//! Total and incremental: bytes in any pieces go in, complete replies come out, and what is no reply
//! is a value too ([`Reply::code`] of `None`). Nothing waits for more than [`LONGEST_LINE_BYTES`] or
//! [`LONGEST_REPLY_BYTES`], so a server that never ends cannot make us grow (D65); deadlines are the
//! caller's, who owns the clock.
//!
//! The class of a multi-line reply is that of its first line, as in qmail-remote.

use memchr::memchr;

/// Bytes of text kept for the report, as qmail-remote keeps them.
pub const KEPT_TEXT_BYTES: usize = 5000;

/// A line longer than this is no reply. RFC 5321 §4.5.3.1.5 asks for 512.
pub const LONGEST_LINE_BYTES: usize = 16 * 1024;

/// A reply longer than this is no reply, however many lines it has.
pub const LONGEST_REPLY_BYTES: usize = 128 * 1024;

/// One reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The three digits of its first line, 200 to 599; `None` where any line was malformed (D9).
    pub code: Option<u16>,
    /// All lines with their codes, each ending in LF; CR removed, NUL shown as `?`, cut at
    /// [`KEPT_TEXT_BYTES`].
    pub text: Vec<u8>,
}

impl Reply {
    /// 2xx.
    pub fn is_positive(&self) -> bool {
        self.code.is_some_and(|code| (200..300).contains(&code))
    }

    /// 5xx: the only class that may bounce a message.
    pub fn is_permanent(&self) -> bool {
        self.code.is_some_and(|code| code >= 500)
    }

    /// The words after the code of each line; what EHLO answers are made of.
    pub fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.text
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| line.get(4..).unwrap_or_default())
    }
}

/// Collects bytes into replies.
#[derive(Clone, Debug, Default)]
pub struct ReplyParser {
    /// The line under way, CR kept.
    line: Vec<u8>,
    text: Vec<u8>,
    code: Option<u16>,
    /// Lines seen of the reply under way.
    lines: usize,
    /// Bytes seen of the reply under way.
    seen: usize,
}

impl ReplyParser {
    /// Takes bytes from `input` up to the end of one reply and returns it, or takes all of them and
    /// returns `None`. What is left in `input` belongs to the next reply.
    pub fn take(&mut self, input: &mut &[u8]) -> Option<Reply> {
        while !input.is_empty() {
            let room = LONGEST_LINE_BYTES.saturating_sub(self.line.len());
            let end = memchr(b'\n', input);
            let taken = end.map_or(input.len(), |at| at.saturating_add(1)).min(room);
            let (piece, rest) = input.split_at_checked(taken).unwrap_or((input, &[]));
            self.line.extend_from_slice(piece);
            self.seen = self.seen.saturating_add(piece.len());
            *input = rest;
            if self.line.last() == Some(&b'\n') {
                if let Some(reply) = self.end_line() {
                    return Some(reply);
                }
            } else if self.line.len() >= LONGEST_LINE_BYTES {
                return Some(self.malformed());
            }
            if self.seen > LONGEST_REPLY_BYTES {
                return Some(self.malformed());
            }
        }
        None
    }

    /// True between replies: nothing has been read of the next one.
    pub fn is_empty(&self) -> bool {
        self.seen == 0
    }

    fn end_line(&mut self) -> Option<Reply> {
        let Some((code, more)) = judge(&self.line) else { return Some(self.malformed()) };
        if self.lines == 0 {
            self.code = Some(code);
        }
        self.lines = self.lines.saturating_add(1);
        self.keep_line();
        if more { None } else { Some(self.finish()) }
    }

    fn malformed(&mut self) -> Reply {
        self.keep_line();
        self.code = None;
        self.finish()
    }

    fn keep_line(&mut self) {
        for &byte in self.line.iter().filter(|byte| **byte != b'\r') {
            if self.text.len() >= KEPT_TEXT_BYTES {
                break;
            }
            self.text.push(if byte == 0 { b'?' } else { byte });
        }
        self.line.clear();
    }

    fn finish(&mut self) -> Reply {
        let reply = Reply { code: self.code, text: std::mem::take(&mut self.text) };
        *self = Self { line: std::mem::take(&mut self.line), ..Self::default() };
        reply
    }
}

/// The code of a line (which ends in LF) and whether more lines follow; `None` if it is malformed.
///
/// After the digits come `-`, a blank, a tab (seen in practice) or the line end.
fn judge(line: &[u8]) -> Option<(u16, bool)> {
    let (digits, rest) = line.split_at_checked(3)?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let code = digits.iter().fold(0u16, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    // 1xx was never used by SMTP, and nothing above 5xx exists (RFC 5321 §4.2.1).
    if !(200..600).contains(&code) {
        return None;
    }
    match rest.first()? {
        b'-' => Some((code, true)),
        b' ' | b'\t' | b'\r' | b'\n' => Some((code, false)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(mut input: &[u8]) -> Vec<Reply> {
        let mut parser = ReplyParser::default();
        std::iter::from_fn(|| parser.take(&mut input)).collect()
    }

    #[test]
    fn replies_are_read_as_qmail_remote_shows_them() {
        let table: &[(&[u8], Option<u16>, &[u8])] = &[
            (b"250 ok\r\n", Some(250), b"250 ok\n"),
            (b"250\r\n", Some(250), b"250\n"),
            (b"250 \n", Some(250), b"250 \n"),
            (b"550-first\r\n550-second\r\n550 third\r\n", Some(550), b"550-first\n550-second\n550 third\n"),
            (b"550-a\n250 b\n", Some(550), b"550-a\n250 b\n"),
            (b"550 a\rb\r\n", Some(550), b"550 ab\n"),
            (b"550 a\0b\r\n", Some(550), b"550 a?b\n"),
            (b"550\ttext\r\n", Some(550), b"550\ttext\n"),
            (b"550-\r\n550 x\r\n", Some(550), b"550-\n550 x\n"),
        ];
        for (input, code, text) in table {
            assert_eq!(all(input), [Reply { code: *code, text: text.to_vec() }], "{input:?}");
        }
    }

    #[test]
    fn what_is_no_reply_has_no_code() {
        for input in [
            &b"abc def\r\n"[..],
            b"5500 x\r\n",
            b"600 x\r\n",
            b"999 x\r\n",
            b"150 x\r\n",
            b"\r\n",
            b"25\n",
            b"250-a\r\nb\r\n",
        ] {
            assert_eq!(all(input).first().unwrap().code, None, "{input:?}");
        }
    }

    #[test]
    fn replies_sent_together_come_out_one_by_one() {
        let codes: Vec<_> =
            all(b"250 a\r\n250-b\r\n250 c\r\n354 go\r\n").iter().map(|reply| reply.code).collect();
        assert_eq!(codes, [Some(250), Some(250), Some(354)]);
    }

    #[test]
    fn a_reply_that_never_ends_ends_here() {
        let endless = b"220-x\r\n".repeat(LONGEST_REPLY_BYTES);
        assert_eq!(all(&endless).first().unwrap().code, None);
        let line = vec![b'2'; LONGEST_LINE_BYTES * 2];
        assert_eq!(all(&line).first().unwrap().code, None);
    }

    #[test]
    fn the_words_of_a_reply_are_what_follows_its_codes() {
        let reply = all(b"250-host\r\n250-SIZE 10\r\n250 PIPELINING\r\n").remove(0);
        assert_eq!(reply.lines().collect::<Vec<_>>(), [&b"host"[..], b"SIZE 10", b"PIPELINING"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn any_bytes_in_any_pieces_give_the_same_replies(
            input in proptest::collection::vec(
                prop_oneof![Just(b'2'), Just(b'5'), Just(b'0'), Just(b'-'), Just(b' '), Just(b'\r'), Just(b'\n'), any::<u8>()], 0..200),
            cut in 1usize..20,
        ) {
            let whole = all(&input);
            let mut parser = ReplyParser::default();
            let mut pieces = Vec::new();
            for mut piece in input.chunks(cut) {
                while let Some(reply) = parser.take(&mut piece) {
                    pieces.push(reply);
                }
            }
            for reply in &whole {
                prop_assert!(reply.text.len() <= KEPT_TEXT_BYTES);
                prop_assert!(!reply.text.contains(&b'\r') && !reply.text.contains(&0));
                prop_assert!(reply.code.is_none_or(|code| (200..600).contains(&code)));
            }
            prop_assert_eq!(whole, pieces);
        }
    }
}
