//! One SMTP server session that swallows everything, without a socket: bytes in, replies out.

use super::text::number_in;

/// How much of a message is kept to find its number in: room for the trace fields of a few servers.
const BEGINNING: usize = 8 * 1024;

/// Longest command line.
const MAX_LINE: usize = 4096;

/// The end of data, with the line end before it.
const END: &[u8] = b"\r\n.\r\n";

/// A message is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swallowed {
    /// Its number; none when somebody else sent it.
    pub number: Option<u64>,
    /// For how many recipients.
    pub recipients: usize,
}

/// A session.
#[derive(Debug, Default)]
pub struct Receiver {
    line: Vec<u8>,
    recipients: usize,
    /// In a message: its beginning, and the last bytes seen.
    message: Option<Message>,
    /// The client has said goodbye.
    pub is_over: bool,
}

#[derive(Debug)]
struct Message {
    beginning: Vec<u8>,
    last: Vec<u8>,
}

impl Receiver {
    /// Takes what was read: adds replies, and says which messages are complete.
    pub fn hear(&mut self, mut bytes: &[u8], replies: &mut Vec<u8>, mut done: impl FnMut(Swallowed)) {
        while !bytes.is_empty() {
            if let Some(message) = &mut self.message {
                let Some(rest) = message.swallow(bytes) else { return };
                done(Swallowed { number: number_in(&message.beginning), recipients: self.recipients });
                replies.extend(b"250 swallowed\r\n");
                self.message = None;
                bytes = rest;
                continue;
            }
            let end = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
            let (piece, rest) = bytes.split_at(end);
            bytes = rest;
            self.line.extend(piece.iter().take(MAX_LINE));
            if piece.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                self.command(&line, replies);
            }
        }
    }

    fn command(&mut self, line: &[u8], replies: &mut Vec<u8>) {
        let verb = line.get(..4).unwrap_or(line).to_ascii_uppercase();
        replies.extend::<&[u8]>(match verb.as_slice() {
            b"EHLO" => b"250-sink.example\r\n250-PIPELINING\r\n250-SIZE 0\r\n250 8BITMIME\r\n",
            b"MAIL" => {
                self.recipients = 0;
                b"250 ok\r\n"
            }
            b"RCPT" => {
                self.recipients += 1;
                b"250 ok\r\n"
            }
            b"DATA" => {
                // A message may be empty: then its dot follows the command's own line end.
                self.message = Some(Message { beginning: Vec::new(), last: b"\r\n".to_vec() });
                b"354 go ahead\r\n"
            }
            b"QUIT" => {
                self.is_over = true;
                b"221 bye\r\n"
            }
            _ => b"250 ok\r\n",
        });
    }
}

impl Message {
    /// Takes bytes of the message; what follows its end, if that is among them.
    fn swallow<'a>(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let room = BEGINNING - self.beginning.len();
        self.beginning.extend(bytes.iter().take(room));
        // The end may lie across two reads.
        let seam = self.last.len();
        let mut across = std::mem::take(&mut self.last);
        across.extend(bytes.iter().take(END.len()));
        if let Some(at) = memchr::memmem::find(&across, END) {
            return bytes.get((at + END.len()).saturating_sub(seam)..);
        }
        if let Some(at) = memchr::memmem::find(bytes, END) {
            return bytes.get(at + END.len()..);
        }
        let keep =
            |from: &[u8]| from.get(from.len().saturating_sub(END.len() - 1)..).unwrap_or_default().to_vec();
        self.last = if bytes.len() < END.len() { keep(&across) } else { keep(bytes) };
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{Receiver, Swallowed};

    #[test]
    fn messages_are_found_however_they_are_cut() {
        let input = b"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nX-Bench: 0000000009\r\n\r\n..\r\n.x\r\n.\r\n\
                      MAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\n.\r\nQUIT\r\n";
        for size in 1..input.len() {
            let (mut receiver, mut replies, mut found) = (Receiver::default(), Vec::new(), Vec::new());
            for piece in input.chunks(size) {
                receiver.hear(piece, &mut replies, |s| found.push(s));
            }
            let expected =
                [Swallowed { number: Some(9), recipients: 2 }, Swallowed { number: None, recipients: 1 }];
            assert_eq!(found, expected, "pieces of {size}");
            assert!(receiver.is_over && replies.ends_with(b"221 bye\r\n"));
        }
    }
}
