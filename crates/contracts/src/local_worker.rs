//! Between `qmail-lspawn` and a warm `qmail-local`: packets on a sequenced-packet socket.
//!
//! ```text
//! request: number (u32 LE)  user NUL home NUL local NUL dash NUL ext NUL domain NUL sender NUL default NUL
//!          and the open message file beside it
//! or:      the same and one more field, `check` NUL, without a file: is there a mailbox by that name?
//! answer:  number (u32 LE)  exit code (1 byte, 0 = delivered, or there is one)  text
//! ```
//!
//! The worker runs as the recipient, who may have taken it over: `qmail-lspawn` treats an answer with an unknown
//! number, or one that is too long, as a crash. The fields are the arguments of qmail-local(8).

/// The longest packet either way.
pub const PACKET_MAX_BYTES: usize = 64 * 1024;
/// The longest text of an answer. `qmail-lspawn` cuts program output at 3000 bytes by a rule of its own, so a
/// worker need not send much more.
pub const TEXT_MAX_BYTES: usize = 4096;
/// The exit code in an answer that stands for "a signal ended it".
pub const CRASHED: u8 = 255;

/// One delivery for the recipient this worker runs as: the arguments of qmail-local(8).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Delivery {
    /// Account name.
    pub user: Vec<u8>,
    /// Home directory, absolute.
    pub home: Vec<u8>,
    /// Local part of the recipient.
    pub local: Vec<u8>,
    /// `-`, or empty.
    pub dash: Vec<u8>,
    /// Extension.
    pub ext: Vec<u8>,
    /// Domain of the recipient.
    pub domain: Vec<u8>,
    /// Envelope sender.
    pub sender: Vec<u8>,
    /// What an empty or missing `.qmail` means.
    pub default_delivery: Vec<u8>,
}

/// What the worker is to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Errand {
    /// Make the delivery.
    Deliver,
    /// Look for the file that would decide about it, as for a delivery, and do nothing. Exit 0: it may be made; 100:
    /// there is no mailbox by that name; anything else: who knows.
    Check,
}

/// The ninth field of a request to check.
const CHECK: &[u8] = b"check";

/// A packet that is none of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a packet of the local worker's protocol")]
pub struct BadPacket;

/// The request packet.
pub fn encode_request(number: u32, delivery: &Delivery) -> Vec<u8> {
    let mut out = number.to_le_bytes().to_vec();
    let d = delivery;
    for field in [&d.user, &d.home, &d.local, &d.dash, &d.ext, &d.domain, &d.sender, &d.default_delivery] {
        crate::fields::push(&mut out, field);
    }
    out
}

/// The packet that asks about a mailbox.
pub fn encode_check(number: u32, delivery: &Delivery) -> Vec<u8> {
    let mut out = encode_request(number, delivery);
    crate::fields::push(&mut out, CHECK);
    out
}

/// Reads a request packet.
pub fn decode_request(packet: &[u8]) -> Result<(u32, Errand, Delivery), BadPacket> {
    let (number, rest) = packet.split_first_chunk::<4>().ok_or(BadPacket)?;
    let mut fields = crate::fields::split(rest).ok_or(BadPacket)?;
    let mut next = || fields.next().map(<[u8]>::to_vec).ok_or(BadPacket);
    let delivery = Delivery {
        user: next()?,
        home: next()?,
        local: next()?,
        dash: next()?,
        ext: next()?,
        domain: next()?,
        sender: next()?,
        default_delivery: next()?,
    };
    let errand = match (fields.next(), fields.next()) {
        (None, _) => Errand::Deliver,
        (Some(CHECK), None) => Errand::Check,
        _ => return Err(BadPacket),
    };
    Ok((u32::from_le_bytes(*number), errand, delivery))
}

/// What a delivery came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The request's number.
    pub number: u32,
    /// qmail-local(8)'s exit code, or [`CRASHED`].
    pub exit: u8,
    /// What it and its programs printed, at most [`TEXT_MAX_BYTES`].
    pub text: Vec<u8>,
}

impl Answer {
    /// The answer packet; text beyond the limit is cut.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.number.to_le_bytes().to_vec();
        out.push(self.exit);
        out.extend(self.text.iter().take(TEXT_MAX_BYTES));
        out
    }

    /// Reads an answer packet.
    pub fn decode(packet: &[u8]) -> Result<Self, BadPacket> {
        let (number, rest) = packet.split_first_chunk::<4>().ok_or(BadPacket)?;
        let (exit, text) = rest.split_first().ok_or(BadPacket)?;
        if text.len() > TEXT_MAX_BYTES {
            return Err(BadPacket);
        }
        Ok(Self { number: u32::from_le_bytes(*number), exit: *exit, text: text.to_vec() })
    }
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
            let _ = Answer::decode(&bytes);
        }

        #[test]
        fn requests_come_back(number: u32, f in proptest::collection::vec(field(), 8)) {
            let delivery = Delivery {
                user: f[0].clone(), home: f[1].clone(), local: f[2].clone(), dash: f[3].clone(),
                ext: f[4].clone(), domain: f[5].clone(), sender: f[6].clone(), default_delivery: f[7].clone(),
            };
            let check = decode_request(&encode_check(number, &delivery));
            prop_assert_eq!(check, Ok((number, Errand::Check, delivery.clone())));
            let request = decode_request(&encode_request(number, &delivery));
            prop_assert_eq!(request, Ok((number, Errand::Deliver, delivery)));
        }

        #[test]
        fn answers_come_back(number: u32, exit: u8, text: Vec<u8>) {
            let answer = Answer { number, exit, text };
            prop_assert_eq!(Answer::decode(&answer.encode()), Ok(answer));
        }
    }

    #[test]
    fn a_field_too_many_or_too_few_is_no_request() {
        let good = encode_request(1, &Delivery::default());
        assert!(decode_request(&good).is_ok());
        assert_eq!(decode_request(&good[..good.len() - 1]), Err(BadPacket));
        assert_eq!(decode_request(&[good.as_slice(), b"\0"].concat()), Err(BadPacket));
        let check = encode_check(1, &Delivery::default());
        assert_eq!(decode_request(&[check.as_slice(), b"\0"].concat()), Err(BadPacket));
        assert_eq!(Answer::decode(&[0; 5 + TEXT_MAX_BYTES + 1]), Err(BadPacket));
    }
}
