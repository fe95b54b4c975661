//! Is there a mailbox by that name? Between `qmail-smtpd` and `qmail-lspawn`, on the socket `run/recipients`: packets on
//! a sequenced-packet socket.
//!
//! ```text
//! question: number (u32 LE)  local part @ domain, as qmail-send puts it on the local channel
//! answer:   number (u32 LE)  one of Y, N, U
//! ```
//!
//! Only N is a reason to refuse a recipient. Who gets no answer, or nonsense, takes it for U.

/// The longest question: a number, and an address.
pub const QUESTION_MAX_BYTES: usize = 4 + crate::ADDRESS_MAX_BYTES;

/// The length of every answer.
pub const ANSWER_BYTES: usize = 5;

/// What is known about a recipient.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mailbox {
    /// A delivery to it would be tried.
    Present,
    /// A delivery to it would fail for good: no mailbox here by that name.
    Absent,
    /// Nobody can tell now.
    Unknown,
}

/// The question about `address`.
pub fn encode_question(number: u32, address: &[u8]) -> Vec<u8> {
    [&number.to_le_bytes(), address].concat()
}

/// Reads a question: its number and the address. `None` is no question.
pub fn decode_question(packet: &[u8]) -> Option<(u32, &[u8])> {
    let (number, address) = packet.split_first_chunk::<4>()?;
    let is_address = address.contains(&b'@') && !address.contains(&0) && packet.len() <= QUESTION_MAX_BYTES;
    is_address.then_some((u32::from_le_bytes(*number), address))
}

/// The answer to a question.
pub fn encode_answer(number: u32, mailbox: Mailbox) -> [u8; ANSWER_BYTES] {
    let letter = match mailbox {
        Mailbox::Present => b'Y',
        Mailbox::Absent => b'N',
        Mailbox::Unknown => b'U',
    };
    let [a, b, c, d] = number.to_le_bytes();
    [a, b, c, d, letter]
}

/// Reads an answer. `None` is none.
pub fn decode_answer(packet: &[u8]) -> Option<(u32, Mailbox)> {
    let (number, letter) = packet.split_first_chunk::<4>()?;
    let mailbox = match letter {
        b"Y" => Mailbox::Present,
        b"N" => Mailbox::Absent,
        b"U" => Mailbox::Unknown,
        _ => return None,
    };
    Some((u32::from_le_bytes(*number), mailbox))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_packet_is_something(bytes: Vec<u8>) {
            let _ = decode_question(&bytes);
            let _ = decode_answer(&bytes);
        }

        #[test]
        fn what_is_encoded_is_decoded(number: u32, local in "[a-z@.-]{0,30}") {
            let address = format!("{local}@x.example").into_bytes();
            let question = encode_question(number, &address);
            prop_assert_eq!(decode_question(&question), Some((number, &address[..])));
            for mailbox in [Mailbox::Present, Mailbox::Absent, Mailbox::Unknown] {
                prop_assert_eq!(decode_answer(&encode_answer(number, mailbox)), Some((number, mailbox)));
            }
        }
    }

    #[test]
    fn a_question_has_an_at_sign_and_no_nul() {
        for wrong in [&b""[..], b"a@b", b"\0\0\0\0joe", b"\0\0\0\0jo\0e@x"] {
            assert_eq!(decode_question(wrong), None);
        }
        assert_eq!(decode_question(&[b'@'; QUESTION_MAX_BYTES + 1]), None);
    }
}
