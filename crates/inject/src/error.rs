//! Why qmail-inject gives up, in its words and exit codes (contract 6.3).

use std::process::ExitCode;

/// Every way in which a message is not injected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum InjectError {
    /// A bad option; the complaint is complete.
    Usage(Vec<u8>),
    /// There is no QMAIL directory.
    NoHome,
    /// The message, a control file or the list of mailing lists cannot be read.
    Read,
    /// An address field, as it stands, or a setting with the sign before it.
    UnparsableField(Vec<u8>),
    /// A recipient argument.
    UnparsableAddress(Vec<u8>),
    /// More header than [`crate::input::HEADER_MAX_BYTES`].
    HeaderTooLong,
    /// The queue could not be reached at all.
    CannotRunQueue,
    /// The queue said no.
    Refused {
        /// No use in trying again.
        permanent: bool,
        /// Its words.
        text: Vec<u8>,
    },
    /// With `-n`: the message could not be printed.
    Write,
}

impl InjectError {
    /// 100 for what is wrong with the message or the command line, 111 for what may pass.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Usage(_)
            | Self::UnparsableField(_)
            | Self::UnparsableAddress(_)
            | Self::HeaderTooLong
            | Self::Refused { permanent: true, .. } => 100,
            Self::NoHome
            | Self::Read
            | Self::CannotRunQueue
            | Self::Refused { permanent: false, .. }
            | Self::Write => 111,
        })
    }

    /// What goes to standard error, with its newline.
    pub fn report(&self) -> Vec<u8> {
        let limit;
        let (words, detail, end): (&[u8], &[u8], &[u8]) = match self {
            Self::Usage(complaint) => return complaint.clone(),
            Self::NoHome => (b"internal bug", b"", b"\n"),
            Self::Read => (b"read error", b"", b"\n"),
            // The field has a newline of its own.
            Self::UnparsableField(field) => (b"unable to parse this line:\n", field, b""),
            Self::UnparsableAddress(address) => (b"unable to parse address: ", address, b"\n"),
            Self::HeaderTooLong => {
                limit = crate::input::HEADER_MAX_BYTES.to_string();
                (b"header is longer than this many bytes: ", limit.as_bytes(), b"\n")
            }
            Self::CannotRunQueue => (b"unable to run qmail-queue", b"", b"\n"),
            Self::Refused { text, .. } => (b"", text, b"\n"),
            Self::Write => (b"write error", b"", b"\n"),
        };
        [b"qmail-inject: fatal: ", words, detail, end].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_the_originals() {
        let text = |error: InjectError| String::from_utf8(error.report()).unwrap();
        assert_eq!(text(InjectError::NoHome), "qmail-inject: fatal: internal bug\n");
        assert_eq!(
            text(InjectError::UnparsableField(b"To: (a\n".into())),
            "qmail-inject: fatal: unable to parse this line:\nTo: (a\n"
        );
        assert_eq!(
            text(InjectError::Refused { permanent: true, text: b"no (#5.7.1)".into() }),
            "qmail-inject: fatal: no (#5.7.1)\n"
        );
    }
}
