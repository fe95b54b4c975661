//! Between `qmail-send` and the spawners: delivery commands and reports (contract 5.2, 5.3).
//!
//! ```text
//! command:  slot (1 byte)  HASH/ID NUL  sender NUL  recipient NUL
//! greeting: one byte, the number of slots the spawner has
//! report:   slot (1 byte)  letter  text NUL
//! ```

/// Slots of a spawner; also its greeting byte (conf-spawn).
pub const SPAWN_SLOTS: u8 = 120;
/// `qmail-send` cuts a report here (REPORTMAX).
pub const REPORT_MAX_BYTES: usize = 10_000;
/// The longest command that a spawner keeps: a message name and two addresses with room to spare. `qmail-queue`
/// takes none that long, but a queue may hold what somebody else wrote.
pub const COMMAND_MAX_BYTES: usize = 64 * 1024;

/// One delivery to make.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Command {
    /// Which slot reports back.
    pub slot: u8,
    /// `HASH/ID` below `queue/mess`; unchecked here.
    pub message: Vec<u8>,
    /// Envelope sender, VERP already expanded.
    pub sender: Vec<u8>,
    /// Recipient, already rewritten.
    pub recipient: Vec<u8>,
}

impl Command {
    /// The bytes on the wire.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![self.slot];
        for field in [&self.message, &self.sender, &self.recipient] {
            crate::fields::push(&mut out, field);
        }
        out
    }
}

/// Cuts a byte stream into commands.
#[derive(Default, Debug)]
pub struct CommandDecoder {
    slot: Option<u8>,
    fields: Vec<u8>,
    ends: Vec<usize>,
    too_long: bool,
}

/// A command that is longer than [`COMMAND_MAX_BYTES`]. Its slot waits for a report all the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a delivery command is longer than {COMMAND_MAX_BYTES} bytes")]
pub struct CommandTooLong {
    /// Which slot reports back.
    pub slot: u8,
}

impl CommandDecoder {
    /// Takes the next bytes and hands on each command that they complete.
    pub fn push(&mut self, bytes: &[u8], mut command: impl FnMut(Result<Command, CommandTooLong>)) {
        for &byte in bytes {
            let Some(slot) = self.slot else {
                self.slot = Some(byte);
                continue;
            };
            if byte != 0 {
                self.too_long |= self.fields.len() >= COMMAND_MAX_BYTES;
                if !self.too_long {
                    self.fields.push(byte);
                }
                continue;
            }
            self.ends.push(self.fields.len());
            if let &[message, sender, recipient] = self.ends.as_slice() {
                let field = |from, to| self.fields.get(from..to).unwrap_or_default().to_vec();
                command(if self.too_long {
                    Err(CommandTooLong { slot })
                } else {
                    Ok(Command {
                        slot,
                        message: field(0, message),
                        sender: field(message, sender),
                        recipient: field(sender, recipient),
                    })
                });
                *self = Self::default();
            }
        }
    }
}

/// What became of a delivery.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// `K`
    Delivered,
    /// `Z`
    Deferred,
    /// `D`
    Failed,
    /// Any other letter: deferred, and the log says so.
    Mangled,
}

/// The spawner's answer to one command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// The slot of the command.
    pub slot: u8,
    /// From the letter.
    pub outcome: Outcome,
    /// For the log and the bounce; no NUL, at most [`REPORT_MAX_BYTES`].
    pub text: Vec<u8>,
}

impl Report {
    /// The bytes on the wire. A NUL in the text ends it.
    pub fn encode(&self) -> Vec<u8> {
        let letter = match self.outcome {
            Outcome::Delivered => b'K',
            Outcome::Deferred => b'Z',
            Outcome::Failed => b'D',
            Outcome::Mangled => b'?',
        };
        let mut out = vec![self.slot, letter];
        crate::fields::push(&mut out, &self.text);
        out
    }

    /// The bytes of a report whose letter is already the first byte of `text`.
    pub fn encode_lettered(slot: u8, text: &[u8]) -> Vec<u8> {
        let mut out = vec![slot];
        crate::fields::push(&mut out, text);
        out
    }
}

/// Cuts a byte stream into reports.
///
/// A NUL straight after the slot ends nothing, since the slot itself may be the byte before it; text beyond
/// [`REPORT_MAX_BYTES`] is dropped.
#[derive(Default, Debug)]
pub struct ReportDecoder {
    bytes: Vec<u8>,
}

impl ReportDecoder {
    /// Takes the next bytes and hands on each report that they complete.
    pub fn push(&mut self, bytes: &[u8], mut report: impl FnMut(Report)) {
        for &byte in bytes {
            if byte != 0 || self.bytes.len() < 2 {
                if self.bytes.len() < REPORT_MAX_BYTES {
                    self.bytes.push(byte);
                }
                continue;
            }
            if let [slot, letter, text @ ..] = self.bytes.as_slice() {
                let outcome = match letter {
                    b'K' => Outcome::Delivered,
                    b'Z' => Outcome::Deferred,
                    b'D' => Outcome::Failed,
                    _ => Outcome::Mangled,
                };
                report(Report { slot: *slot, outcome, text: text.to_vec() });
            }
            self.bytes.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn commands(bytes: &[u8]) -> Vec<Result<Command, CommandTooLong>> {
        let mut out = Vec::new();
        CommandDecoder::default().push(bytes, |c| out.push(c));
        out
    }

    fn reports(bytes: &[u8]) -> Vec<Report> {
        let mut out = Vec::new();
        ReportDecoder::default().push(bytes, |r| out.push(r));
        out
    }

    #[test]
    fn a_command_is_a_slot_and_three_fields() {
        let want = Command {
            slot: 0,
            message: b"1/1".to_vec(),
            sender: b"s@x".to_vec(),
            recipient: b"r@relay.test".to_vec(),
        };
        assert_eq!(commands(b"\x001/1\0s@x\0r@relay.test\0"), [Ok(want)]);
        assert_eq!(commands(b"\x001/1\0s@x\0r@relay.test"), []);
    }

    #[test]
    fn a_command_that_is_too_long_does_not_hide_the_next_one() {
        let long = [b"\x091/1\0s@x\0".as_slice(), &[b'r'; COMMAND_MAX_BYTES], b"\0\x012/2\0\0r@x\0"].concat();
        let next = Command { slot: 1, message: b"2/2".to_vec(), sender: vec![], recipient: b"r@x".to_vec() };
        assert_eq!(commands(&long), [Err(CommandTooLong { slot: 9 }), Ok(next)]);
    }

    #[test]
    fn slot_nought_does_not_end_a_report() {
        let want = Report { slot: 0, outcome: Outcome::Delivered, text: b"did\n".to_vec() };
        assert_eq!(reports(b"\0Kdid\n\0"), [want]);
        let odd = Report { slot: 1, outcome: Outcome::Mangled, text: b"K".to_vec() };
        assert_eq!(reports(b"\x01\0K\0"), [odd]);
    }

    #[test]
    fn a_long_report_is_cut() {
        let long = [b"\x02Z".as_slice(), &vec![b'x'; 20_000], b"\0\x03K\0"].concat();
        let got = reports(&long);
        assert_eq!(got.iter().map(|r| r.text.len()).collect::<Vec<_>>(), [REPORT_MAX_BYTES - 2, 0]);
    }

    fn field() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(1u8.., 0..40)
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer(bytes: Vec<u8>) {
            let _ = commands(&bytes);
            let _ = reports(&bytes);
        }

        #[test]
        fn what_is_encoded_is_decoded(slot: u8, message in field(), sender in field(), recipient in field()) {
            let command = Command { slot, message, sender, recipient };
            prop_assert_eq!(commands(&command.encode()), [Ok(command)]);
        }

        #[test]
        fn reports_too(slot: u8, text in field(), which in 0..3usize) {
            let outcome = [Outcome::Delivered, Outcome::Deferred, Outcome::Failed][which];
            let report = Report { slot, outcome, text };
            prop_assert_eq!(reports(&report.encode()), [report]);
        }
    }
}
