//! Between `qmail-rspawn` and a warm `qmail-remote`: packets on a sequenced-packet socket.
//!
//! ```text
//! request: number (u32 LE)  host NUL sender NUL recipient NUL [recipient NUL ...]
//!          and the open message file beside it
//! answer:  number (u32 LE)  what qmail-remote(8) prints on descriptor 1
//! ```
//!
//! One request is one transaction; its recipients are at most [`RECIPIENTS_MAX`].

/// The longest packet either way.
pub const PACKET_MAX_BYTES: usize = 192 * 1024;
/// Recipients of one transaction (RFC 5321 §4.5.3.1.8 lets a client count on 100).
pub const RECIPIENTS_MAX: usize = 100;
/// The longest output of one transaction.
pub const OUTPUT_MAX_BYTES: usize = 128 * 1024;

/// One transaction: the arguments of qmail-remote(8).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Transaction {
    /// Where to: the domain of the recipients.
    pub host: Vec<u8>,
    /// Envelope sender.
    pub sender: Vec<u8>,
    /// At least one.
    pub recipients: Vec<Vec<u8>>,
}

/// A packet that is none of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a packet of the remote worker's protocol")]
pub struct BadPacket;

/// The request packet.
pub fn encode_request(number: u32, transaction: &Transaction) -> Vec<u8> {
    let mut out = number.to_le_bytes().to_vec();
    crate::fields::push(&mut out, &transaction.host);
    crate::fields::push(&mut out, &transaction.sender);
    for recipient in &transaction.recipients {
        crate::fields::push(&mut out, recipient);
    }
    out
}

/// Reads a request packet.
pub fn decode_request(packet: &[u8]) -> Result<(u32, Transaction), BadPacket> {
    let (number, rest) = packet.split_first_chunk::<4>().ok_or(BadPacket)?;
    let mut fields = crate::fields::split(rest).ok_or(BadPacket)?;
    let host = fields.next().ok_or(BadPacket)?.to_vec();
    let sender = fields.next().ok_or(BadPacket)?.to_vec();
    let recipients: Vec<_> = fields.take(RECIPIENTS_MAX.saturating_add(1)).map(<[u8]>::to_vec).collect();
    if recipients.is_empty() || recipients.len() > RECIPIENTS_MAX {
        return Err(BadPacket);
    }
    Ok((u32::from_le_bytes(*number), Transaction { host, sender, recipients }))
}

/// The answer packet; output beyond the limit is cut.
pub fn encode_answer(number: u32, output: &[u8]) -> Vec<u8> {
    let mut out = number.to_le_bytes().to_vec();
    out.extend(output.iter().take(OUTPUT_MAX_BYTES));
    out
}

/// Reads an answer packet: the request's number and qmail-remote(8)'s output.
pub fn decode_answer(packet: &[u8]) -> Result<(u32, &[u8]), BadPacket> {
    let (number, output) = packet.split_first_chunk::<4>().ok_or(BadPacket)?;
    if output.len() > OUTPUT_MAX_BYTES {
        return Err(BadPacket);
    }
    Ok((u32::from_le_bytes(*number), output))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn field() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(1u8.., 0..20)
    }

    proptest! {
        #[test]
        fn any_packet_is_an_answer(bytes: Vec<u8>) {
            let _ = decode_request(&bytes);
            let _ = decode_answer(&bytes);
        }

        #[test]
        fn requests_come_back(
            number: u32, host in field(), sender in field(), recipients in proptest::collection::vec(field(), 1..5),
        ) {
            let transaction = Transaction { host, sender, recipients };
            prop_assert_eq!(decode_request(&encode_request(number, &transaction)), Ok((number, transaction)));
        }

        #[test]
        fn answers_come_back(number: u32, output: Vec<u8>) {
            let packet = encode_answer(number, &output);
            prop_assert_eq!(decode_answer(&packet), Ok((number, &output[..])));
        }
    }

    #[test]
    fn a_transaction_has_recipients_but_not_too_many() {
        let with = |n| Transaction { recipients: vec![b"a@b".to_vec(); n], ..Transaction::default() };
        assert_eq!(decode_request(&encode_request(1, &with(0))), Err(BadPacket));
        assert!(decode_request(&encode_request(1, &with(RECIPIENTS_MAX))).is_ok());
        assert_eq!(decode_request(&encode_request(1, &with(RECIPIENTS_MAX + 1))), Err(BadPacket));
    }
}
