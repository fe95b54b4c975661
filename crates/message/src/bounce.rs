//! The bounce message that qmail-send writes (QSBMF; contract 14.8), byte for byte, and the paragraphs it is made
//! of.
//!
//! Whole: [`Notice::head`], the paragraphs as they stand in `bounce/ID`, [`Notice::separator`], the original message.

use address::quote::quoted;

/// Who speaks in a bounce, and of what.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Notice<'a> {
    /// control/bouncefrom.
    pub from_local: &'a [u8],
    /// control/bouncehost.
    pub from_host: &'a [u8],
    /// To whom.
    pub recipient: &'a [u8],
    /// Envelope sender of the original message, without its VERP mark.
    pub sender: &'a [u8],
    /// It is about a bounce.
    pub double: bool,
    /// Seconds since 1970.
    pub now: u64,
}

impl Notice<'_> {
    /// The header and the words before the first paragraph.
    pub fn head(&self) -> Vec<u8> {
        let sorry: &[u8] = if self.double {
            b"I tried to deliver a bounce message to this address, but the bounce bounced!\n\n"
        } else {
            b"I'm afraid I wasn't able to deliver your message to the following addresses.\n\
              This is a permanent error; I've given up. Sorry it didn't work out.\n\n"
        };
        [
            b"Date: ",
            crate::date::header(self.now).as_bytes(),
            b"\nFrom: ",
            &quoted_alone(self.from_local),
            b"@",
            self.from_host,
            b"\nTo: ",
            &quoted(self.recipient),
            b"\nSubject: failure notice\n\nHi. This is the qmail-send program at ",
            self.from_host,
            b".\n",
            sorry,
        ]
        .concat()
    }

    /// What stands between the last paragraph and the original message.
    pub fn separator(&self) -> Vec<u8> {
        let below: &[u8] = if self.double {
            b"--- Below this line is the original bounce.\n\n"
        } else {
            b"--- Below this line is a copy of the message.\n\n"
        };
        [below, b"Return-Path: <", &quoted(self.sender), b">\n"].concat()
    }
}

/// One failed recipient, as it is appended to `bounce/ID`. `recipient` is already without its virtual prefix.
///
/// No line inside is empty but the last: an empty line ends the paragraph for those who parse bounces.
pub fn paragraph(recipient: &[u8], report: &[u8]) -> Vec<u8> {
    let mut text = b"<".to_vec();
    text.extend(recipient.iter().map(|&byte| if byte == b'\n' { b'_' } else { byte }));
    text.extend_from_slice(b">:\n");
    text.extend_from_slice(report);
    if report.last().is_some_and(|&byte| byte != b'\n') {
        text.push(b'\n');
    }
    // The very last byte stays a newline, whatever stands before it, as in the original.
    let inner = text.len().saturating_sub(1);
    let mut after_newline = false;
    for byte in text.iter_mut().take(inner) {
        let newline = *byte == b'\n';
        if newline && after_newline {
            *byte = b'/';
        }
        after_newline = newline;
    }
    text.push(b'\n');
    text
}

/// A local part on its own: quoted as it would be in an address.
fn quoted_alone(local: &[u8]) -> Vec<u8> {
    let mut whole = quoted(&[local, b"@x"].concat());
    whole.truncate(whole.len().saturating_sub(2));
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_bounce_is_the_documented_one() {
        let notice = Notice {
            from_local: b"MAILER-DAEMON",
            from_host: b"mx.example",
            recipient: b"a b@x",
            sender: b"a b@x",
            double: false,
            now: 811_831_614,
        };
        let head = b"Date: 23 Sep 1995 04:46:54 -0000
From: MAILER-DAEMON@mx.example
To: \"a b\"@x
Subject: failure notice

Hi. This is the qmail-send program at mx.example.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

";
        assert_eq!(String::from_utf8_lossy(&notice.head()), String::from_utf8_lossy(head));
        assert_eq!(
            notice.separator(),
            b"--- Below this line is a copy of the message.\n\nReturn-Path: <\"a b\"@x>\n"
        );
        let double = Notice { double: true, sender: b"", ..notice };
        assert!(double.head().ends_with(
            b"mx.example.\nI tried to deliver a bounce message to this address, but the bounce bounced!\n\n"
        ));
        assert_eq!(double.separator(), b"--- Below this line is the original bounce.\n\nReturn-Path: <>\n");
    }

    #[test]
    fn paragraphs_have_no_empty_line_inside() {
        for (recipient, report, want) in [
            (&b"a@x"[..], &b"no\n"[..], &b"<a@x>:\nno\n\n"[..]),
            (b"a@x", b"no newline", b"<a@x>:\nno newline\n\n"),
            (b"a@x", b"", b"<a@x>:\n\n"),
            (b"a\nb@x", b"no\n", b"<a_b@x>:\nno\n\n"),
            (
                b"odd@x",
                b"\x01\xff%x\n\n\nblank lines above",
                b"<odd@x>:\n\x01\xff%x\n//blank lines above\n\n",
            ),
            (b"a@x", b"\nx\n", b"<a@x>:\n/x\n\n"),
        ] {
            assert_eq!(
                paragraph(recipient, report).escape_ascii().to_string(),
                want.escape_ascii().to_string()
            );
        }
    }

    proptest! {
        #[test]
        fn a_paragraph_is_one_paragraph(recipient: Vec<u8>, report: Vec<u8>) {
            let text = paragraph(&recipient, &report);
            prop_assert!(text.starts_with(b"<") && text.ends_with(b"\n"));
            let inner = &text[..text.len().saturating_sub(2)];
            prop_assert!(!inner.windows(2).any(|pair| pair == b"\n\n"));
        }
    }
}
