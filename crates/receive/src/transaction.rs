//! A mail transaction: one sender, its recipients (RFC 5321 §3.3).

use crate::replies::Reply;
use smtp::path::Path;

/// What MAIL and RCPT have said so far.
#[derive(Debug)]
pub struct Transaction {
    sender: Path,
    /// Why every recipient is refused: the sender, or what HELO said.
    pub refusal: Option<Reply>,
    records: Vec<u8>,
    recipients: u32,
}

impl Transaction {
    /// MAIL was accepted.
    pub fn new(sender: Path, refusal: Option<Reply>) -> Self {
        Self { sender, refusal, records: Vec::new(), recipients: 0 }
    }

    /// RCPT was accepted.
    pub fn add(&mut self, recipient: &Path) {
        self.records.push(b'T');
        self.records.extend_from_slice(recipient.as_bytes());
        self.records.push(0);
        self.recipients = self.recipients.saturating_add(1);
    }

    /// Recipients so far.
    pub fn recipients(&self) -> u32 {
        self.recipients
    }

    /// The envelope as `contracts::hand_off` has it.
    pub fn envelope(&self) -> Vec<u8> {
        [b"F", self.sender.as_bytes(), b"\0", &self.records, b"\0"].concat()
    }
}
