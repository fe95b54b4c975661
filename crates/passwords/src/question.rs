//! What a checking program is asked, on descriptor 3 (contract 11.1): a name, a proof and a time stamp, each ended by a
//! NUL.

/// The longest question of checkpassword's interface.
pub const QUESTION_MAX_BYTES: usize = 512;

/// A question. The proof is not to be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Question {
    /// The name.
    pub login: Vec<u8>,
    /// A password, or a digest of one and the time stamp.
    pub proof: Vec<u8>,
    /// Said by the server in this session and in no other; may be empty.
    pub timestamp: Vec<u8>,
}

/// Not a question.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Malformed {
    /// It is longer than [`QUESTION_MAX_BYTES`].
    #[error("more than {QUESTION_MAX_BYTES} bytes on descriptor 3")]
    TooLong,
    /// A field is missing.
    #[error("no name, password and time stamp on descriptor 3")]
    Incomplete,
}

impl Question {
    /// Takes it apart. What follows the third field does not count, as in the original checkpassword; neither does it
    /// matter whether that field has an end.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > QUESTION_MAX_BYTES {
            return Err(Malformed::TooLong);
        }
        let mut fields = bytes.splitn(4, |&b| b == 0);
        match (fields.next(), fields.next(), fields.next()) {
            (Some(login), Some(proof), Some(timestamp)) if !login.is_empty() => {
                Ok(Self { login: login.to_vec(), proof: proof.to_vec(), timestamp: timestamp.to_vec() })
            }
            _ => Err(Malformed::Incomplete),
        }
    }
}

impl std::fmt::Debug for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Question")
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        os::memory::wipe(&mut self.proof);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn three_fields_are_a_question() {
        for text in ["joe\0secret\0<1.2@h>\0", "joe\0secret\0<1.2@h>", "joe\0secret\0<1.2@h>\0more\0"] {
            let question = Question::decode(text.as_bytes()).unwrap();
            let fields = [&question.login[..], &question.proof, &question.timestamp];
            assert_eq!(fields, [&b"joe"[..], b"secret", b"<1.2@h>"]);
        }
        for text in ["", "joe", "joe\0secret", "\0secret\0x\0"] {
            assert_eq!(Question::decode(text.as_bytes()), Err(Malformed::Incomplete), "{text:?}");
        }
        assert_eq!(Question::decode(&[b'x'; 513]), Err(Malformed::TooLong));
    }

    proptest! {
        #[test]
        fn no_question_is_too_odd(bytes in proptest::collection::vec(0u8..4, 0..20)) {
            if let Ok(question) = Question::decode(&bytes) {
                prop_assert!(!question.proof.contains(&0) && !question.login.is_empty());
            }
        }
    }
}
