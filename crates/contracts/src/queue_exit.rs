//! Exit codes of qmail-queue(8), and what callers say about them (contract 6.1, 6.2).
//!
//! 11 to 40 are permanent, everything else asks for another try.

/// Why `qmail-queue`, or a program in its place, did not take a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum QueueExit {
    /// The message is in the queue.
    Queued = 0,
    /// An envelope address is longer than [`crate::ADDRESS_MAX_BYTES`].
    AddressTooLong = 11,
    /// Refused for good, by policy or by size.
    Refused = 31,
    /// Out of memory.
    OutOfMemory = 51,
    /// The hand-off took longer than a day.
    TimedOut = 52,
    /// Write error or disk full.
    WriteError = 53,
    /// Read error, or the envelope ended early: the caller gave up.
    ReadError = 54,
    /// A configuration file could not be read.
    Configuration = 55,
    /// A network connection could not be made.
    Network = 56,
    /// Trouble with the home directory.
    HomeDirectory = 61,
    /// Trouble with the queue directory.
    QueueDirectory = 62,
    /// Trouble in `queue/pid`.
    PidDirectory = 63,
    /// Trouble in `queue/mess`.
    MessDirectory = 64,
    /// Trouble in `queue/intd`.
    IntdDirectory = 65,
    /// Trouble in `queue/todo`.
    TodoDirectory = 66,
    /// A mail server refused for now (`qmail-qmqpc`).
    ServerRefusedForNow = 71,
    /// A connection timed out (`qmail-qmqpc`).
    ConnectionTimedOut = 72,
    /// A connection was refused (`qmail-qmqpc`).
    ConnectionRefused = 73,
    /// Communication failed after connecting (`qmail-qmqpc`).
    CommunicationFailed = 74,
    /// A bug, or a fatal signal.
    Bug = 81,
    /// The reason is on the error descriptor; it begins with `D` or `Z`.
    Custom = 82,
    /// The envelope is not in the language of `hand_off`.
    EnvelopeFormat = 91,
    /// An account is missing.
    AccountMissing = 111,
    /// The queue program could not be executed; set by the caller's side.
    NotExecutable = 120,
}

/// The result text of an exit code, as every caller reports it: `D` permanent or `Z` temporary, then words.
/// Empty for 0.
///
/// Codes 82 and 88 carry their own text; a caller that got more than two bytes of it uses that instead.
pub fn result_text(code: u8) -> &'static str {
    match code {
        0 => "",
        11 | 115 => "Denvelope address too long for qq (#5.1.3)",
        31 => "Dmail server permanently rejected message (#5.3.0)",
        51 => "Zqq out of memory (#4.3.0)",
        52 => "Zqq timeout (#4.3.0)",
        53 => "Zqq write error or disk full (#4.3.0)",
        54 => "Zqq read error (#4.3.0)",
        55 => "Zqq unable to read configuration (#4.3.0)",
        56 => "Zqq trouble making network connection (#4.3.0)",
        61 => "Zqq trouble in home directory (#4.3.0)",
        62..=66 => "Zqq trouble creating files in queue (#4.3.0)",
        71 => "Zmail server temporarily rejected message (#4.3.0)",
        72 => "Zconnection to mail server timed out (#4.4.1)",
        73 => "Zconnection to mail server rejected (#4.4.1)",
        74 => "Zcommunication with mail server failed (#4.4.2)",
        81 | 91 => "Zqq internal bug (#4.3.0)",
        120 => "Zunable to exec qq (#4.3.0)",
        12..=40 => "Dqq permanent problem (#5.3.0)",
        _ => "Zqq temporary problem (#4.3.0)",
    }
}

/// Killed by a signal.
pub const CRASHED_TEXT: &str = "Zqq crashed (#4.3.0)";
/// The wait itself failed.
pub const WAIT_FAILED_TEXT: &str = "Zqq waitpid surprise (#4.3.0)";
/// Exit 0, yet the caller could not write everything.
pub const LOCAL_ERROR_TEXT: &str = "Zqq read error (#4.3.0)";

/// The most bytes of a custom text that a caller takes from the error descriptor.
pub const CUSTOM_TEXT_MAX_BYTES: usize = 255;

/// The result text to use when the program left `custom` on its error descriptor.
///
/// Exits 82 (notqmail, Curti patch) and 88 (other families) say that it did; the text counts when it is longer
/// than two bytes and begins with `D` or `Z`.
pub fn custom_text(code: u8, custom: &[u8]) -> Option<&[u8]> {
    let says_so = matches!(code, 82 | 88) && custom.len() > 2;
    (says_so && matches!(custom.first(), Some(b'D' | b'Z')))
        .then(|| custom.get(..CUSTOM_TEXT_MAX_BYTES).unwrap_or(custom))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eleven_to_forty_are_permanent_and_nothing_else_but_115() {
        for code in 1..=255u8 {
            let permanent = result_text(code).starts_with('D');
            assert_eq!(permanent, (11..=40).contains(&code) || code == 115, "{code}");
        }
        assert_eq!(result_text(0), "");
    }

    #[test]
    fn a_custom_text_needs_its_exit_code_and_its_letter() {
        assert_eq!(custom_text(82, b"Dno spam here"), Some(&b"Dno spam here"[..]));
        assert_eq!(custom_text(88, b"Zlater"), Some(&b"Zlater"[..]));
        assert_eq!(custom_text(82, b"D"), None);
        assert_eq!(custom_text(82, b"what"), None);
        assert_eq!(custom_text(31, b"Dno spam here"), None);
        assert_eq!(custom_text(82, &[b'D'; 300]).map(<[u8]>::len), Some(CUSTOM_TEXT_MAX_BYTES));
    }
}
