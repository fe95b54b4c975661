//! Between `qmail-send` and the spawners: delivery commands and reports (contract 5.2, 5.3).
//!
//! ```text
//! command:  slot (1 byte)  HASH/ID NUL  sender NUL  recipient NUL
//! greeting: one byte, the number of slots the spawner has
//! report:   slot (1 byte)  letter  text NUL
//! ```
//!
//! One byte counts no more than 255 deliveries. So a `qmail-send` that wants more than the greeting offers sends
//! [`Command::wide_request`] first of all, a command for a slot that no spawner has. An original spawner reports that the
//! number is too big, and all stays as it was. Ours answers with [`wide_answer`]; from then on slots are two bytes in
//! both directions, the low one first, as in the big-concurrency patch (contract 16.6).

/// Slots of a spawner; also its greeting byte (conf-spawn).
pub const SPAWN_SLOTS: u8 = 120;
/// Slots of a spawner of ours in the wide form, if it may open as many files.
pub const WIDE_SLOTS_MAX: u16 = 1000;
/// A slot that exists nowhere in the classic form, whose greeting is one byte.
const NO_SLOT: u16 = 255;
/// What [`Command::wide_request`] names instead of a message.
const WIDE: &[u8] = b"wide";

/// How many bytes a slot takes on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Form {
    /// One.
    #[default]
    Classic,
    /// Two, the low one first.
    Wide,
}

impl Form {
    fn push(self, slot: u16, out: &mut Vec<u8>) {
        let [low, high] = slot.to_le_bytes();
        out.push(low);
        if self == Self::Wide {
            out.push(high);
        }
    }

    fn slot_bytes(self) -> usize {
        if self == Self::Wide { 2 } else { 1 }
    }
}

/// `qmail-send` cuts a report here (REPORTMAX).
pub const REPORT_MAX_BYTES: usize = 10_000;
/// The longest command that a spawner keeps: a message name and two addresses with room to spare. `qmail-queue`
/// takes none that long, but a queue may hold what somebody else wrote.
pub const COMMAND_MAX_BYTES: usize = 64 * 1024;

/// One delivery to make.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Command {
    /// Which slot reports back.
    pub slot: u16,
    /// `HASH/ID` below `queue/mess`; unchecked here.
    pub message: Vec<u8>,
    /// Envelope sender, VERP already expanded.
    pub sender: Vec<u8>,
    /// Recipient, already rewritten.
    pub recipient: Vec<u8>,
}

impl Command {
    /// The bytes on the wire in the classic form.
    pub fn encode(&self) -> Vec<u8> {
        self.encode_as(Form::Classic)
    }

    /// The bytes on the wire.
    pub fn encode_as(&self, form: Form) -> Vec<u8> {
        let mut out = Vec::new();
        form.push(self.slot, &mut out);
        for field in [&self.message, &self.sender, &self.recipient] {
            crate::fields::push(&mut out, field);
        }
        out
    }

    /// Asks for the wide form. To be sent in the classic form, before any other command; nothing else may be sent before
    /// the report of [`Report::answers_wide_request`] has come.
    pub fn wide_request() -> Self {
        Self { slot: NO_SLOT, message: WIDE.to_vec(), sender: Vec::new(), recipient: Vec::new() }
    }

    /// Whether this is [`Command::wide_request`].
    pub fn is_wide_request(&self) -> bool {
        self.slot == NO_SLOT && self.message == WIDE
    }
}

/// The report, in the classic form, of a spawner that speaks the wide form from now on and has so many slots.
pub fn wide_answer(slots: u16) -> Vec<u8> {
    Report::encode_lettered(Form::Classic, NO_SLOT, format!("K{slots}\n").as_bytes())
}

/// Cuts a byte stream into commands.
#[derive(Default, Debug)]
pub struct CommandDecoder {
    form: Form,
    slot: Vec<u8>,
    fields: Vec<u8>,
    ends: Vec<usize>,
    too_long: bool,
}

/// A command that is longer than [`COMMAND_MAX_BYTES`]. Its slot waits for a report all the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a delivery command is longer than {COMMAND_MAX_BYTES} bytes")]
pub struct CommandTooLong {
    /// Which slot reports back.
    pub slot: u16,
}

impl CommandDecoder {
    /// Reads the wide form from the next command on.
    pub fn widen(&mut self) {
        self.form = Form::Wide;
    }

    /// Takes the next bytes and hands on each command that they complete.
    pub fn push(&mut self, bytes: &[u8], mut command: impl FnMut(Result<Command, CommandTooLong>)) {
        for &byte in bytes {
            if self.slot.len() < self.form.slot_bytes() {
                self.slot.push(byte);
                continue;
            }
            if byte != 0 {
                self.too_long |= self.fields.len() >= COMMAND_MAX_BYTES;
                if !self.too_long {
                    self.fields.push(byte);
                }
                continue;
            }
            self.ends.push(self.fields.len());
            if let &[message, sender, recipient] = self.ends.as_slice() {
                let slot = slot_of(&self.slot);
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
                *self = Self { form: self.form, ..Self::default() };
            }
        }
    }
}

/// The low byte first.
fn slot_of(bytes: &[u8]) -> u16 {
    bytes.iter().rev().fold(0, |slot: u16, &byte| slot << 8 | u16::from(byte))
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
    pub slot: u16,
    /// From the letter.
    pub outcome: Outcome,
    /// For the log and the bounce; no NUL, at most [`REPORT_MAX_BYTES`].
    pub text: Vec<u8>,
}

impl Report {
    /// The bytes on the wire in the classic form. A NUL in the text ends it.
    pub fn encode(&self) -> Vec<u8> {
        let letter = match self.outcome {
            Outcome::Delivered => b'K',
            Outcome::Deferred => b'Z',
            Outcome::Failed => b'D',
            Outcome::Mangled => b'?',
        };
        let mut out = Vec::new();
        Form::Classic.push(self.slot, &mut out);
        out.push(letter);
        crate::fields::push(&mut out, &self.text);
        out
    }

    /// How many slots there are in the wide form, if this answers [`Command::wide_request`]; `Some(None)` when the
    /// spawner does not know it.
    pub fn answers_wide_request(&self) -> Option<Option<u16>> {
        let number = std::str::from_utf8(&self.text).ok().and_then(|text| text.trim_end().parse().ok());
        (self.slot == NO_SLOT).then(|| number.filter(|_| self.outcome == Outcome::Delivered))
    }

    /// The bytes of a report whose letter is already the first byte of `text`.
    pub fn encode_lettered(form: Form, slot: u16, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        form.push(slot, &mut out);
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
    form: Form,
    bytes: Vec<u8>,
}

impl ReportDecoder {
    /// Reads the wide form from the next report on.
    pub fn widen(&mut self) {
        self.form = Form::Wide;
    }

    /// Takes the next bytes and hands on each report that they complete.
    pub fn push(&mut self, bytes: &[u8], mut report: impl FnMut(Report)) {
        for &byte in bytes {
            let head = self.form.slot_bytes();
            if byte != 0 || self.bytes.len() <= head {
                if self.bytes.len() < REPORT_MAX_BYTES {
                    self.bytes.push(byte);
                }
                continue;
            }
            if let Some((slot, [letter, text @ ..])) = self.bytes.split_at_checked(head) {
                let outcome = match letter {
                    b'K' => Outcome::Delivered,
                    b'Z' => Outcome::Deferred,
                    b'D' => Outcome::Failed,
                    _ => Outcome::Mangled,
                };
                report(Report { slot: slot_of(slot), outcome, text: text.to_vec() });
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
    fn the_wide_form_is_asked_for_in_the_classic_one() {
        let request = Command::wide_request().encode();
        assert_eq!(request, b"\xffwide\0\0\0");
        assert!(commands(&request)[0].as_ref().unwrap().is_wide_request());
        let answer = |bytes: &[u8]| reports(bytes)[0].answers_wide_request();
        assert_eq!(answer(&wide_answer(1000)), Some(Some(1000)));
        assert_eq!(answer(b"\xffZInternal error: delnum too big. (#4.3.5)\n\0"), Some(None));
        assert_eq!(answer(b"\x01K1000\n\0"), None);
    }

    #[test]
    fn wide_slots_have_two_bytes() {
        let (mut decoder, mut got) = (CommandDecoder::default(), vec![]);
        decoder.widen();
        let field = || b"0/1".to_vec();
        let all = [0, 255, 256, 999].map(|slot| Command {
            slot,
            message: field(),
            sender: vec![],
            recipient: field(),
        });
        let bytes: Vec<u8> = all.iter().flat_map(|command| command.encode_as(Form::Wide)).collect();
        bytes.iter().for_each(|byte| decoder.push(&[*byte], |command| got.push(command.unwrap())));
        assert_eq!(got, all);

        let (mut decoder, mut got) = (ReportDecoder::default(), vec![]);
        decoder.widen();
        for slot in [0, 255, 256, 999] {
            decoder.push(&Report::encode_lettered(Form::Wide, slot, b"Zx"), |report| got.push(report.slot));
        }
        assert_eq!(got, [0, 255, 256, 999]);
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
            let command = Command { slot: slot.into(), message, sender, recipient };
            prop_assert_eq!(commands(&command.encode()), [Ok(command)]);
        }

        #[test]
        fn reports_too(slot: u8, text in field(), which in 0..3usize) {
            let outcome = [Outcome::Delivered, Outcome::Deferred, Outcome::Failed][which];
            let report = Report { slot: slot.into(), outcome, text };
            prop_assert_eq!(reports(&report.encode()), [report]);
        }
    }
}
