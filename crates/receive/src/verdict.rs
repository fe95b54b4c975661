//! What the queue door says about a message.

/// The end of a hand-off.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is in the queue, durable.
    Queued {
        /// The queue id, or the process id of a program in qmail-queue's place.
        qp: u64,
    },
    /// It is not: `D` (for good) or `Z` (for now), and why.
    Refused(Vec<u8>),
}

impl Verdict {
    /// From an exit code of qmail-queue(8) and what was on the error descriptor.
    pub fn from_exit(code: u8, qp: u64, custom: &[u8]) -> Self {
        use contracts::queue_exit::{custom_text, result_text};
        match code {
            0 => Self::Queued { qp },
            _ => Self::Refused(custom_text(code, custom).unwrap_or(result_text(code).as_bytes()).to_vec()),
        }
    }

    /// A refusal in our own words.
    pub fn refused(text: &str) -> Self {
        Self::Refused(text.as_bytes().to_vec())
    }
}
