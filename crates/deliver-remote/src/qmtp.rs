//! QMTP as a client: the whole message with its envelope goes out at once, and each recipient gets an answer
//! (contract 6.6, 16.5). A connection carries one message.

use std::io;
use std::time::Duration;

use netstring::{Answer, Length};
use smtp::reply::{KEPT_TEXT_BYTES, Reply};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::message_source::{MessageSource, PIECE_BYTES};
use crate::outcome::{Outcome, Recipient, Verdict};

/// QMTP's port.
pub const QMTP_PORT: u16 = 209;

/// A server that reads more slowly than this is given up.
const SLOWEST_BYTES_PER_SECOND: u64 = 128;

/// The message may take this many reply limits, and the time of its bytes.
const REPLIES_PER_MESSAGE: u32 = 4;

/// Sender and recipients as they are in the queue: QMTP needs no quoting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses<'a> {
    /// The envelope sender.
    pub sender: &'a [u8],
    /// At least one.
    pub recipients: Vec<&'a [u8]>,
}

/// Why the conversation stopped.
enum Stop {
    /// The connection, or the time for it.
    Lost,
    /// Our own message.
    Unreadable,
}

struct Conversation {
    /// What is read at once is more than a byte: a server may say as much as it likes.
    stream: BufReader<TcpStream>,
    limit: Duration,
    end: Instant,
}

/// Hands `message` over. `limit` is for each read and write.
pub async fn transact(
    stream: TcpStream,
    addresses: &Addresses<'_>,
    message: &MessageSource,
    limit: Duration,
) -> Outcome {
    let seconds = Duration::from_secs(message.length / SLOWEST_BYTES_PER_SECOND);
    let whole = limit.saturating_mul(REPLIES_PER_MESSAGE).saturating_add(seconds);
    let now = Instant::now();
    let end = now.checked_add(whole).unwrap_or(now);
    let mut conversation = Conversation { stream: BufReader::new(stream), limit, end };
    let ended = |recipients, verdict| Outcome { recipients, verdict, going_away: false };
    match conversation.offer(addresses, message).await {
        Ok(()) => {}
        Err(Stop::Lost) => return ended(Vec::new(), Verdict::Died { possible_duplicate: false }),
        Err(Stop::Unreadable) => return ended(Vec::new(), Verdict::Unreadable),
    }
    let (mut recipients, mut taken) = (Vec::new(), None);
    for _ in &addresses.recipients {
        let Ok(answer) = conversation.answer().await else {
            return ended(recipients, Verdict::Died { possible_duplicate: true });
        };
        match judge(&answer) {
            (true, reply) => {
                recipients.push(Recipient::Accepted);
                taken.get_or_insert(reply);
            }
            (false, reply) => recipients.push(Recipient::Refused(reply)),
        }
    }
    ended(recipients, taken.map_or(Verdict::NoRecipient, Verdict::Accepted))
}

impl Conversation {
    /// Sends everything; the last byte makes it the server's.
    async fn offer(&mut self, addresses: &Addresses<'_>, message: &MessageSource) -> Result<(), Stop> {
        // The first byte says that lines end with LF.
        let mut out = format!("{}:\n", message.length.saturating_add(1)).into_bytes();
        if let Some(bytes) = message.kept() {
            out.extend_from_slice(bytes);
        } else {
            let (mut piece, mut offset) = (vec![0; PIECE_BYTES], 0u64);
            while offset < message.length {
                let count = message.read_at(&mut piece, offset).map_err(|_| Stop::Unreadable)?;
                let left = message.length.saturating_sub(offset);
                let count = usize::try_from(left).map_or(count, |left| count.min(left));
                if count == 0 {
                    return Err(Stop::Unreadable); // It has become shorter.
                }
                out.extend_from_slice(piece.get(..count).unwrap_or_default());
                offset = offset.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
                self.write(&out).await?;
                out.clear();
                tokio::task::yield_now().await; // A long message must not keep the others waiting.
            }
        }
        out.push(b',');
        netstring::push(&mut out, addresses.sender);
        let mut recipients = Vec::new();
        for recipient in &addresses.recipients {
            netstring::push(&mut recipients, recipient);
        }
        netstring::push(&mut out, &recipients);
        let last = out.pop();
        self.write(&out).await?;
        self.write(last.as_slice()).await
    }

    async fn write(&mut self, mut bytes: &[u8]) -> Result<(), Stop> {
        while !bytes.is_empty() {
            match timeout_at(self.deadline(), self.stream.write(bytes)).await {
                Ok(Ok(count)) if count > 0 => bytes = bytes.get(count..).unwrap_or_default(),
                _ => return Err(Stop::Lost),
            }
        }
        Ok(())
    }

    /// One netstring. What is beyond [`KEPT_TEXT_BYTES`] is read and forgotten.
    async fn answer(&mut self) -> io::Result<Vec<u8>> {
        let mut length = Length::default();
        let mut left = loop {
            if let Some(length) = length.push(self.byte().await?).map_err(io::Error::other)? {
                break length;
            }
        };
        let mut answer = Vec::new();
        while left > 0 {
            let byte = self.byte().await?;
            if answer.len() < KEPT_TEXT_BYTES {
                answer.push(byte);
            }
            left = left.saturating_sub(1);
        }
        match self.byte().await? {
            b',' => Ok(answer),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    async fn byte(&mut self) -> io::Result<u8> {
        timeout_at(self.deadline(), self.stream.read_u8()).await.map_err(|_| io::ErrorKind::TimedOut)?
    }

    fn deadline(&self) -> Instant {
        Instant::now().checked_add(self.limit).unwrap_or(self.end).min(self.end)
    }
}

/// Whether it is taken, and the server's words as a reply, whose code says how a refusal is meant. What has none of
/// the three letters is for now.
fn judge(answer: &[u8]) -> (bool, Reply) {
    let (letter, words) = match answer.split_first() {
        Some((letter, words)) => (Answer::from_letter(*letter), words),
        None => (None, answer),
    };
    let shown = words.iter().filter(|byte| **byte != b'\r');
    let mut text: Vec<u8> = shown.map(|byte| if *byte == 0 { b'?' } else { *byte }).collect();
    if !text.is_empty() && text.last() != Some(&b'\n') {
        text.push(b'\n');
    }
    let code = match letter {
        Some(Answer::Accepted) => 250,
        Some(Answer::Refused) => 550,
        Some(Answer::Deferred) | None => 450,
    };
    (letter == Some(Answer::Accepted), Reply { code: Some(code), text })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::{Seek, Write};
    use tokio::net::TcpListener;

    fn message(text: &[u8]) -> MessageSource {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text).unwrap();
        file.rewind().unwrap();
        MessageSource::open(file).unwrap()
    }

    /// Offers `text` to a server that reads `reads` bytes and says `says`; what it heard.
    async fn hand_over(text: &[u8], reads: usize, says: &'static [u8]) -> (Outcome, Vec<u8>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut heard = vec![0; reads];
            stream.read_exact(&mut heard).await.unwrap();
            stream.write_all(says).await.unwrap();
            heard
        };
        let message = message(text);
        let addresses = Addresses { sender: b"s@x", recipients: vec![b"a b@y", b"c@y"] };
        let ask = async {
            let stream = TcpStream::connect(address).await.unwrap();
            transact(stream, &addresses, &message, Duration::from_secs(20)).await
        };
        tokio::join!(ask, serve)
    }

    const WIRE: &[u8] = b"8:\nhello\n\r,3:s@x,14:5:a b@y,3:c@y,,";

    #[tokio::test]
    async fn each_recipient_has_an_answer() {
        let (outcome, heard) = hand_over(b"hello\n\r", WIRE.len(), b"9:Kok 1 qp2,3:Dno,").await;
        assert_eq!(heard, WIRE);
        let no = Reply { code: Some(550), text: b"no\n".to_vec() };
        assert_eq!(outcome.recipients, [Recipient::Accepted, Recipient::Refused(no)]);
        let ok = Reply { code: Some(250), text: b"ok 1 qp2\n".to_vec() };
        assert_eq!(outcome.verdict, Verdict::Accepted(ok));
    }

    #[tokio::test]
    async fn nobody_is_taken_for_delivered_without_an_answer() {
        let died = |possible_duplicate| Verdict::Died { possible_duplicate };
        let (outcome, _) = hand_over(b"hello\n\r", WIRE.len(), b"1:K,").await;
        assert_eq!((outcome.recipients.len(), outcome.verdict), (1, died(true)));
        let (outcome, _) = hand_over(b"hello\n\r", WIRE.len(), b"250 ok\r\n").await;
        assert_eq!((outcome.recipients.len(), outcome.verdict), (0, died(true)));
        let (outcome, _) = hand_over(b"hello\n\r", WIRE.len(), b"4:Zone,4:what,").await;
        assert_eq!(outcome.verdict, Verdict::NoRecipient);
    }

    #[tokio::test]
    async fn a_long_message_arrives_whole() {
        let text = b"0123456789\n".repeat(40_000);
        let head = format!("{}:\n", text.len() + 1);
        let wire = [head.as_bytes(), &text, b",3:s@x,14:5:a b@y,3:c@y,,"].concat();
        let (outcome, heard) = hand_over(&text, wire.len(), b"1:K,1:K,").await;
        assert!(heard == wire && matches!(outcome.verdict, Verdict::Accepted(_)));
    }

    proptest! {
        #[test]
        fn any_answer_is_judged(answer: Vec<u8>) {
            let (taken, reply) = judge(&answer);
            prop_assert_eq!(taken, answer.first() == Some(&b'K'));
            prop_assert!(reply.code.is_some());
        }
    }
}
