//! The lines that say from whom and to whom a delivery was: above a message, and for programs.
//!
//! Addresses come from strangers. A newline in one would begin a line of the stranger's choosing,
//! so it becomes `_` (in the `From ` line, where blanks separate, `-`).

use contracts::local_worker::Delivery;
use mailbox::Heading;

/// Complete lines, each ending in its only newline (qmail-interfaces 14.4, 14.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// `From SENDER DATE`
    pub from_line: Vec<u8>,
    /// `Return-Path: <SENDER>`, the local part quoted where it must be.
    pub return_path: Vec<u8>,
    /// `Delivered-To: RECIPIENT`, never quoted: it is compared, byte for byte, to find loops.
    pub delivered_to: Vec<u8>,
}

impl Trace {
    /// The lines of `delivery`, made at `now` (seconds since 1970).
    pub fn new(delivery: &Delivery, now: u64) -> Self {
        let Delivery { sender, local, domain, .. } = delivery;
        let date = message::date::DateTime::from_unix(now).from_line();
        Self {
            from_line: [b"From ", from_word(sender).as_slice(), b" ", date.as_bytes(), b"\n"].concat(),
            return_path: line(&[b"Return-Path: <", &address::quote::quoted(sender), b">"]),
            delivered_to: line(&[b"Delivered-To: ", local, b"@", domain]),
        }
    }

    /// As a mailbox takes them.
    pub fn heading(&self) -> Heading<'_> {
        Heading {
            from_line: &self.from_line,
            return_path: &self.return_path,
            delivered_to: &self.delivered_to,
        }
    }
}

fn from_word(sender: &[u8]) -> Vec<u8> {
    if sender.is_empty() {
        return b"MAILER-DAEMON".to_vec();
    }
    sender.iter().map(|&byte| if matches!(byte, b' ' | b'\t' | b'\n') { b'-' } else { byte }).collect()
}

fn line(parts: &[&[u8]]) -> Vec<u8> {
    let mut line = parts.concat();
    line.iter_mut().filter(|byte| **byte == b'\n').for_each(|byte| *byte = b'_');
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn trace(sender: &[u8], local: &[u8], domain: &[u8]) -> Trace {
        let delivery = Delivery {
            sender: sender.to_vec(),
            local: local.to_vec(),
            domain: domain.to_vec(),
            ..Delivery::default()
        };
        Trace::new(&delivery, 812_090_814)
    }

    #[test]
    fn lines_read_as_documented() {
        let lines = trace(b"s@x", b"joe-a", b"host");
        assert_eq!(lines.from_line, b"From s@x Tue Sep 26 04:46:54 1995\n");
        assert_eq!(lines.return_path, b"Return-Path: <s@x>\n");
        assert_eq!(lines.delivered_to, b"Delivered-To: joe-a@host\n");
    }

    #[test]
    fn the_null_sender_has_an_empty_path_and_a_name() {
        let lines = trace(b"", b"joe", b"host");
        assert!(lines.from_line.starts_with(b"From MAILER-DAEMON Tue "));
        assert_eq!(lines.return_path, b"Return-Path: <>\n");
    }

    #[test]
    fn newlines_cannot_begin_a_line() {
        let lines = trace(b"a b\n\tc@x", b"j\noe", b"d\ne");
        assert!(lines.from_line.starts_with(b"From a-b--c@x Tue "));
        assert_eq!(lines.return_path, b"Return-Path: <\"a b\\_\tc\"@x>\n");
        assert_eq!(lines.delivered_to, b"Delivered-To: j_oe@d_e\n");
    }

    proptest! {
        #[test]
        fn every_line_has_one_newline_at_its_end(sender: Vec<u8>, local: Vec<u8>, domain: Vec<u8>) {
            let Trace { from_line, return_path, delivered_to } = trace(&sender, &local, &domain);
            for line in [from_line, return_path, delivered_to] {
                prop_assert_eq!(line.iter().position(|&byte| byte == b'\n'), Some(line.len() - 1));
            }
        }
    }
}
