//! Every reply, and the buffer in which replies wait for the next flush (contract 6.5).
//!
//! The words are qmail-smtpd's to the byte; most refusals carry their enhanced code at the end, as `(#x.y.z)`.
//! A session to which ENHANCEDSTATUSCODES was offered (RFC 2034) gets the code in front as well.

/// One reply of one line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reply {
    code: &'static str,
    enhanced: &'static str,
    text: &'static str,
}

const fn reply(code: &'static str, enhanced: &'static str, text: &'static str) -> Reply {
    Reply { code, enhanced, text }
}

pub const SENDER_OK: Reply = reply("250", "2.1.0", "ok");
pub const RECIPIENT_OK: Reply = reply("250", "2.1.5", "ok");
pub const FLUSHED: Reply = reply("250", "2.0.0", "flushed");
pub const NOTHING_DONE: Reply = reply("250", "2.0.0", "ok");
pub const HELP: Reply = reply("214", "2.0.0", "notqmail home page: https://notqmail.org");
pub const WILL_TRY: Reply = reply("252", "2.5.0", "send some mail, i'll try my best");
pub const GO_AHEAD: Reply = reply("354", "", "go ahead");
pub const MAIL_FIRST: Reply = reply("503", "5.5.1", "MAIL first (#5.5.1)");
pub const RECIPIENT_FIRST: Reply = reply("503", "5.5.1", "RCPT first (#5.5.1)");
pub const SYNTAX: Reply = reply("555", "5.5.4", "syntax error (#5.5.4)");
pub const CONTROL_BYTE: Reply = reply("501", "5.5.4", "control byte in argument (#5.5.4)");
pub const LINE_TOO_LONG: Reply = reply("500", "5.5.2", "line too long (#5.5.2)");
pub const UNIMPLEMENTED: Reply = reply("502", "5.5.1", "unimplemented (#5.5.1)");
pub const BAD_SENDER: Reply =
    reply("553", "5.7.1", "sorry, your envelope sender is in my badmailfrom list (#5.7.1)");
pub const NO_RELAYING: Reply =
    reply("553", "5.7.1", "sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)");
pub const DENIED_SENDER: Reply =
    reply("553", "5.7.1", "sorry, your envelope sender has been denied (#5.7.1)");
pub const DENIED_RECIPIENT: Reply =
    reply("553", "5.7.1", "sorry, your envelope recipient has been denied (#5.7.1)");
pub const DENIED_NAME: Reply = reply("553", "5.7.1", "sorry, your HELO host name has been denied (#5.7.1)");
pub const NOT_VALID: Reply =
    reply("553", "5.7.1", "sorry, this recipient is not in my validrcptto list (#5.7.1)");
pub const RELAY_TEST: Reply = reply("553", "5.7.1", "we don't relay (#5.7.1)");
pub const NO_MAILBOX: Reply = reply("550", "5.1.1", "sorry, no mailbox here by that name. (#5.1.1)");
pub const NO_NULL_SENDERS: Reply = reply("421", "4.3.0", "null senders temporarily denied (#4.3.0)");
pub const TOO_MANY_BAD_RECIPIENTS: Reply =
    reply("421", "4.3.0", "too many invalid addresses, goodbye (#4.3.0)");
pub const EARLY_TALKER: Reply = reply("554", "5.5.1", "SMTP protocol violation");
pub const TOO_MANY_RECIPIENTS: Reply = reply("452", "4.5.3", "too many recipients (#4.5.3)");
pub const TOO_LARGE: Reply =
    reply("552", "5.3.4", "sorry, that message size exceeds my databytes limit (#5.3.4)");
pub const LOOPING: Reply = reply("554", "5.4.6", "too many hops, this message is looping (#5.4.6)");
pub const BARE_NEWLINE: Reply = reply("550", "5.5.2", "message contains bare CR or LF (#5.5.2)");
pub const NO_DOOR: Reply = reply("451", "4.3.0", "qqt failure (#4.3.0)");
pub const NO_CONTROLS: Reply = reply("421", "4.3.0", "unable to read controls (#4.3.0)");
pub const NO_OWN_ADDRESSES: Reply = reply("421", "4.3.0", "unable to figure out my IP addresses (#4.3.0)");
pub const TIMED_OUT: Reply = reply("451", "4.4.2", "timeout (#4.4.2)");
pub const TOO_MANY_ERRORS: Reply = reply("421", "4.7.0", "too many errors (#4.7.0)");
pub const TOO_MANY_COMMANDS: Reply = reply("421", "4.7.0", "too many commands (#4.7.0)");
pub const TOO_MANY_SESSIONS: Reply = reply("421", "4.7.0", "too many connections, try again later (#4.7.0)");
pub const CLOSING_DOWN: Reply = reply("421", "4.3.2", "service closing down, try again later (#4.3.2)");

impl Reply {
    /// True where the client did something wrong. What is to be tried again later is not its error.
    pub fn is_error(self) -> bool {
        self.code.starts_with('5')
    }

    /// The reply as it goes over the wire to a client that has not said EHLO.
    pub fn to_bytes(self) -> Vec<u8> {
        [self.code.as_bytes(), b" ", self.text.as_bytes(), b"\r\n"].concat()
    }
}

/// Replies not yet sent.
#[derive(Debug, Default)]
pub struct Replies {
    bytes: Vec<u8>,
    /// Whether enhanced codes were offered to this client.
    pub enhanced: bool,
}

impl Replies {
    /// Adds a reply from the table.
    pub fn say(&mut self, reply: Reply) {
        self.line(reply.code, reply.enhanced, &[reply.text.as_bytes()]);
    }

    /// Adds a reply whose text is made of `parts`. Bytes that would break the line become blanks.
    pub fn line(&mut self, code: &str, enhanced: &str, parts: &[&[u8]]) {
        self.bytes.extend_from_slice(code.as_bytes());
        self.bytes.push(b' ');
        if self.enhanced && !enhanced.is_empty() {
            self.bytes.extend_from_slice(enhanced.as_bytes());
            self.bytes.push(b' ');
        }
        for part in parts {
            self.bytes
                .extend(part.iter().map(|&byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }));
        }
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// Adds a refusal by the queue door: `D` or `Z`, then its words.
    pub fn refusal(&mut self, result_text: &[u8]) {
        let (code, fallback) =
            if result_text.first() == Some(&b'D') { ("554", "5.0.0") } else { ("451", "4.0.0") };
        let words = result_text.get(1..).unwrap_or_default().trim_ascii_end();
        let enhanced = trailing_code(words, code).unwrap_or(fallback.to_owned());
        self.line(code, &enhanced, &[words]);
    }

    /// Adds bytes that are already whole lines.
    pub fn raw(&mut self, lines: &[u8]) {
        self.bytes.extend_from_slice(lines);
    }

    /// What waits to be sent.
    pub fn pending(&self) -> &[u8] {
        &self.bytes
    }

    /// Forgets what was sent.
    pub fn sent(&mut self) {
        self.bytes.clear();
    }
}

/// The `x.y.z` of a text that ends with `(#x.y.z)`, if its class is that of the reply code.
fn trailing_code(text: &[u8], code: &str) -> Option<String> {
    let start = memchr::memmem::rfind(text, b"(#")?;
    let inside = text.get(start.saturating_add(2)..)?.strip_suffix(b")")?;
    let numbers: Vec<&[u8]> = inside.split(|&byte| byte == b'.').collect();
    let well_formed = numbers.len() == 3
        && numbers.iter().all(|n| (1..=3).contains(&n.len()) && n.iter().all(u8::is_ascii_digit))
        && inside.first() == code.as_bytes().first();
    well_formed.then(|| String::from_utf8_lossy(inside).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_door_s_words_become_one_line_with_an_honest_code() {
        let table: &[(&[u8], &[u8], &[u8])] = &[
            (b"Dno thanks (#5.7.1)", b"554 no thanks (#5.7.1)\r\n", b"554 5.7.1 no thanks (#5.7.1)\r\n"),
            (b"Zcome back", b"451 come back\r\n", b"451 4.0.0 come back\r\n"),
            (b"Dodd (#4.7.1)", b"554 odd (#4.7.1)\r\n", b"554 5.0.0 odd (#4.7.1)\r\n"),
            (b"Dtwo\r\n250 lines\n", b"554 two  250 lines\r\n", b"554 5.0.0 two  250 lines\r\n"),
        ];
        for (text, classic, enhanced) in table {
            let mut replies = Replies::default();
            replies.refusal(text);
            assert_eq!(replies.pending(), *classic);
            replies = Replies { enhanced: true, ..Replies::default() };
            replies.refusal(text);
            assert_eq!(replies.pending(), *enhanced);
        }
    }

    #[test]
    fn only_sessions_that_were_offered_codes_get_them_in_front() {
        let mut replies = Replies::default();
        replies.say(SENDER_OK);
        replies.enhanced = true;
        replies.say(SENDER_OK);
        replies.say(GO_AHEAD);
        replies.say(NO_RELAYING);
        assert_eq!(
            replies.pending(),
            b"250 ok\r\n250 2.1.0 ok\r\n354 go ahead\r\n\
              553 5.7.1 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)\r\n"
        );
    }
}
