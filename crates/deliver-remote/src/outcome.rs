//! What became of a transaction, and the exact words for it (qmail-remote(8)).
//!
//! Log analysers read these sentences; they are the original's.

use std::net::IpAddr;

use smtp::reply::Reply;

/// The server's word on one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// `r`
    Accepted,
    /// `s`, or `h` where the reply was permanent.
    Refused(Reply),
}

/// The end of a session's transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The greeting was not 220.
    GreetingFailed(Reply),
    /// Neither EHLO nor HELO was answered with 250.
    NameRejected(Reply),
    /// MAIL was refused.
    SenderRejected(Reply),
    /// All recipients were refused.
    NoRecipient,
    /// DATA was refused.
    DataFailed(Reply),
    /// The message was refused after its end.
    MessageFailed(Reply),
    /// The message is the server's responsibility now.
    Accepted(Reply),
    /// Time-out or loss of the connection.
    Died {
        /// The final dot may have got through.
        possible_duplicate: bool,
    },
    /// Our own message file could not be read to its end.
    Unreadable,
}

/// A verdict with what is known of each recipient, in order, as far as the session got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// At most as many as there were recipients.
    pub recipients: Vec<Recipient>,
    /// What counts for all accepted recipients and for those without a record.
    pub verdict: Verdict,
    /// The server said 421 before the final dot: it is going away, another may take the message.
    pub going_away: bool,
}

impl Outcome {
    /// Whether another address may be tried: nothing was taken, and it was not the message's fault (D14).
    pub fn permits_another_address(&self) -> bool {
        match &self.verdict {
            Verdict::GreetingFailed(_) | Verdict::NameRejected(_) => true,
            Verdict::Died { possible_duplicate } => !possible_duplicate,
            Verdict::MessageFailed(_) | Verdict::Accepted(_) | Verdict::Unreadable => false,
            Verdict::SenderRejected(_) | Verdict::NoRecipient | Verdict::DataFailed(_) => self.going_away,
        }
    }

    /// The records of the recipients, without their NULs. `reply_bytes` bounds each copy of the server's words.
    pub fn recipient_records(&self, ip: IpAddr, reply_bytes: usize) -> impl Iterator<Item = Vec<u8>> {
        self.recipients.iter().map(move |recipient| match recipient {
            Recipient::Accepted => b"r".to_vec(),
            Recipient::Refused(reply) => {
                let mut out = vec![if reply.is_permanent() { b'h' } else { b's' }];
                out.extend_from_slice(format!("{ip} does not like recipient.\n").as_bytes());
                said(reply, reply_bytes, &mut out);
                out
            }
        })
    }

    /// Adds the message's record, without its NUL.
    pub fn message_record(&self, ip: IpAddr, out: &mut Vec<u8>) {
        let (letter, sentence, reply) = match &self.verdict {
            Verdict::GreetingFailed(reply) => {
                (b'Z', format!("Connected to {ip} but greeting failed"), Some(reply))
            }
            Verdict::NameRejected(reply) => {
                (b'Z', format!("Connected to {ip} but my name was rejected"), Some(reply))
            }
            Verdict::SenderRejected(reply) => {
                (letter(reply), format!("Connected to {ip} but sender was rejected"), Some(reply))
            }
            Verdict::NoRecipient => (b'D', format!("Giving up on {ip}"), None),
            Verdict::DataFailed(reply) => {
                (letter(reply), format!("{ip} failed on DATA command"), Some(reply))
            }
            Verdict::MessageFailed(reply) => {
                (letter(reply), format!("{ip} failed after I sent the message"), Some(reply))
            }
            Verdict::Accepted(reply) => (b'K', format!("{ip} accepted message"), Some(reply)),
            Verdict::Died { possible_duplicate } => {
                let warning = if *possible_duplicate { "Possible duplicate! " } else { "" };
                let text = format!("ZConnected to {ip} but connection died. {warning}(#4.4.2)\n");
                return out.extend_from_slice(text.as_bytes());
            }
            Verdict::Unreadable => return out.extend_from_slice(crate::text::UNREADABLE_MESSAGE),
        };
        out.push(letter);
        out.extend_from_slice(sentence.as_bytes());
        out.extend_from_slice(b".\n");
        if let Some(reply) = reply {
            said(reply, usize::MAX, out);
        }
    }
}

/// Only 5xx bounces.
fn letter(reply: &Reply) -> u8 {
    if reply.is_permanent() { b'D' } else { b'Z' }
}

fn said(reply: &Reply, most_bytes: usize, out: &mut Vec<u8>) {
    let Some(text) = reply.text.get(..most_bytes.min(reply.text.len())) else { return };
    if !text.is_empty() {
        out.extend_from_slice(b"Remote host said: ");
        out.extend_from_slice(text);
        // A reply that was cut, here or by the parser, ends the line all the same.
        if text.last() != Some(&b'\n') && most_bytes < reply.text.len() {
            out.push(b'\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(code: u16, text: &str) -> Reply {
        Reply { code: Some(code), text: format!("{code} {text}\n").into_bytes() }
    }

    fn shown(recipients: Vec<Recipient>, verdict: Verdict) -> String {
        let outcome = Outcome { recipients, verdict, going_away: false };
        let ip = "192.0.2.9".parse().unwrap();
        let mut records: Vec<_> = outcome.recipient_records(ip, 5000).collect();
        let mut message = Vec::new();
        outcome.message_record(ip, &mut message);
        records.push(message);
        records.iter().map(|record| format!("{}\0", String::from_utf8_lossy(record))).collect()
    }

    #[test]
    fn the_sentences_are_those_of_qmail_remote() {
        use Verdict::*;
        for (verdict, want) in [
            (
                GreetingFailed(reply(554, "no")),
                "ZConnected to 192.0.2.9 but greeting failed.\nRemote host said: 554 no\n\0",
            ),
            (
                NameRejected(reply(550, "x")),
                "ZConnected to 192.0.2.9 but my name was rejected.\nRemote host said: 550 x\n\0",
            ),
            (
                SenderRejected(reply(550, "x")),
                "DConnected to 192.0.2.9 but sender was rejected.\nRemote host said: 550 x\n\0",
            ),
            (
                SenderRejected(reply(354, "x")),
                "ZConnected to 192.0.2.9 but sender was rejected.\nRemote host said: 354 x\n\0",
            ),
            (NoRecipient, "DGiving up on 192.0.2.9.\n\0"),
            (DataFailed(reply(451, "x")), "Z192.0.2.9 failed on DATA command.\nRemote host said: 451 x\n\0"),
            (
                MessageFailed(reply(552, "x")),
                "D192.0.2.9 failed after I sent the message.\nRemote host said: 552 x\n\0",
            ),
            (Accepted(reply(250, "ok")), "K192.0.2.9 accepted message.\nRemote host said: 250 ok\n\0"),
            (Died { possible_duplicate: false }, "ZConnected to 192.0.2.9 but connection died. (#4.4.2)\n\0"),
            (
                Died { possible_duplicate: true },
                "ZConnected to 192.0.2.9 but connection died. Possible duplicate! (#4.4.2)\n\0",
            ),
            (Unreadable, "ZUnable to read message. (#4.3.0)\n\0"),
        ] {
            assert_eq!(shown(vec![], verdict), want);
        }
    }

    #[test]
    fn recipients_have_records_of_their_own() {
        use Recipient::*;
        let recipients = vec![Accepted, Refused(reply(550, "no")), Refused(reply(450, "later"))];
        assert_eq!(
            shown(recipients, Verdict::Accepted(reply(250, "ok"))),
            "r\0h192.0.2.9 does not like recipient.\nRemote host said: 550 no\n\0\
             s192.0.2.9 does not like recipient.\nRemote host said: 450 later\n\0\
             K192.0.2.9 accepted message.\nRemote host said: 250 ok\n\0"
        );
    }
}
