//! What a server says about a message or a recipient: a letter, then words.

/// An answer, as far as a client must know it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// `K`: it is theirs now.
    Accepted,
    /// `Z`: not now.
    Deferred,
    /// `D`: never.
    Refused,
}

impl Answer {
    /// By its letter.
    pub fn from_letter(letter: u8) -> Option<Self> {
        match letter {
            b'K' => Some(Self::Accepted),
            b'Z' => Some(Self::Deferred),
            b'D' => Some(Self::Refused),
            _ => None,
        }
    }
}

/// The words for a message that is in the queue.
pub fn accepted(seconds: u64, qp: u64) -> Vec<u8> {
    format!("Kok {seconds} qp {qp}").into_bytes()
}
