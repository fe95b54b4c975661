//! Log lines as splogger(8) hands them to syslog (contract 11.4).
//!
//! A line becomes `SECONDS.MICROSECONDS TEXT`. What is longer than syslog daemons take goes on in further messages
//! `SECONDS.MICROSECONDS+TEXT` with the stamp of the first, so that a reader can join them.

/// The most bytes of a line in one message.
pub const PIECE_MAX_BYTES: usize = 799;

/// How urgent a message is (RFC 3164 §4.1.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Severity {
    /// The line begins with `alert:`.
    Alert = 1,
    /// The line begins with `warning:`.
    Warning = 4,
    /// Any other line.
    Info = 6,
}

impl Severity {
    fn of(line: &[u8]) -> Self {
        match line {
            _ if line.starts_with(b"alert:") => Self::Alert,
            _ if line.starts_with(b"warning:") => Self::Warning,
            _ => Self::Info,
        }
    }
}

/// The facility of a message: a number of RFC 3164 §4.1.1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Facility(u32);

impl Facility {
    /// `mail`, unless told otherwise.
    pub const MAIL: Self = Self(2);
    /// `user`, where a number is no facility.
    const USER: Self = Self(1);
    /// The facility field has seven bits.
    const MOST: u32 = 127;

    /// Reads the digits at the start of an argument; none are 0, as ever.
    pub fn parse(argument: &[u8]) -> Self {
        let digits = argument.iter().take_while(|byte| byte.is_ascii_digit());
        let number = digits.fold(0u32, |number, digit| {
            number.saturating_mul(10).saturating_add(u32::from(digit.wrapping_sub(b'0')))
        });
        if number <= Self::MOST { Self(number) } else { Self::USER }
    }

    /// The number at the start of a message.
    pub fn priority(self, severity: Severity) -> u32 {
        self.0.saturating_mul(8).saturating_add(severity as u32)
    }
}

/// One message: its urgency, and its text with the stamp.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// How urgent.
    pub severity: Severity,
    /// Printable bytes only.
    pub text: Vec<u8>,
}

/// Cuts a stream of lines into messages.
#[derive(Default, Debug)]
pub struct Folder {
    piece: Vec<u8>,
    /// Urgency and stamp of the line whose further pieces come.
    continued: Option<(Severity, String)>,
}

impl Folder {
    /// Takes the next bytes. `stamp` tells the time, `emit` gets the messages. A line that never ends is never
    /// complete, and its last piece is not sent.
    pub fn push(&mut self, bytes: &[u8], stamp: &mut dyn FnMut() -> String, emit: &mut dyn FnMut(Message)) {
        for &byte in bytes {
            if byte == b'\n' {
                self.flush(stamp, emit);
                self.continued = None;
                continue;
            }
            if self.piece.len() == PIECE_MAX_BYTES {
                self.flush(stamp, emit);
            }
            // Some daemons end a message at a NUL; none of them wants terminal codes.
            self.piece.push(if (32..=126).contains(&byte) { byte } else { b'?' });
        }
    }

    fn flush(&mut self, stamp: &mut dyn FnMut() -> String, emit: &mut dyn FnMut(Message)) {
        if self.piece.is_empty() {
            return;
        }
        let piece = std::mem::take(&mut self.piece);
        let (severity, text) = match &self.continued {
            Some((severity, stamp)) => (*severity, [stamp.as_bytes(), b"+", &piece].concat()),
            None => {
                let (severity, stamp) = (Severity::of(&piece), stamp());
                let text = [stamp.as_bytes(), b" ", &piece].concat();
                self.continued = Some((severity, stamp));
                (severity, text)
            }
        };
        emit(Message { severity, text });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fold(input: &[u8], chunk: usize) -> Vec<(Severity, String)> {
        let (mut folder, mut messages, mut lines) = (Folder::default(), Vec::new(), 0);
        for bytes in input.chunks(chunk) {
            let mut stamp = || {
                lines += 1;
                format!("{lines}.000000")
            };
            folder.push(bytes, &mut stamp, &mut |message| {
                messages.push((message.severity, String::from_utf8(message.text).unwrap()));
            });
        }
        messages
    }

    #[test]
    fn lines_become_messages_however_they_arrive() {
        for chunk in [1, 2, 1000] {
            assert_eq!(
                fold(b"a\tb\n\nalert: x\nwarning:\n x alert:\nrest", chunk),
                [
                    (Severity::Info, "1.000000 a?b".into()),
                    (Severity::Alert, "2.000000 alert: x".into()),
                    (Severity::Warning, "3.000000 warning:".into()),
                    (Severity::Info, "4.000000  x alert:".into()),
                ]
            );
        }
    }

    #[test]
    fn long_lines_go_on_under_the_same_stamp() {
        let line = [&b"alert:"[..], &[b'x'; 2 * PIECE_MAX_BYTES - 6], b"y\n"].concat();
        let messages = fold(&line, 100);
        let shape: Vec<_> =
            messages.iter().map(|(severity, text)| (*severity, text.len(), &text[..9])).collect();
        let alert = Severity::Alert;
        assert_eq!(shape, [(alert, 808, "1.000000 "), (alert, 808, "1.000000+"), (alert, 10, "1.000000+")]);
    }

    #[test]
    fn facilities() {
        for (argument, priority) in [("2", 22), ("23", 190), ("0", 6), ("abc", 6), ("1x", 14), ("128", 14)] {
            assert_eq!(Facility::parse(argument.as_bytes()).priority(Severity::Info), priority, "{argument}");
        }
        assert_eq!(Facility::parse(b"99999999999999999999").priority(Severity::Alert), 9);
    }
}
