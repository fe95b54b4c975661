//! The envelope as callers hand it to `qmail-queue` on descriptor 1 (qmail-queue(8)).
//!
//! ```text
//! F sender NUL  (T recipient NUL)*  NUL
//! ```
//!
//! The final NUL says that the caller means it: without it nothing is queued, which is how a dying client
//! takes its message back.

use crate::ADDRESS_MAX_BYTES;

/// What is wrong with an envelope that is being handed over.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HandOffError {
    /// `qmail-queue` exits 11.
    #[error("an envelope address is longer than {ADDRESS_MAX_BYTES} bytes")]
    AddressTooLong,
    /// `qmail-queue` exits 91.
    #[error("byte {0:#04x} stands where an envelope record should begin")]
    UnknownRecord(u8),
}

/// Where the decoder stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    BeforeSender,
    InSender,
    BetweenRecipients,
    InRecipient,
    Complete,
}

/// Checks an envelope as it arrives and hands on the stored form of its records: the same bytes without the
/// final NUL.
#[derive(Debug)]
pub struct HandOffDecoder {
    place: Place,
    address_bytes: usize,
    recipients: u64,
}

impl Default for HandOffDecoder {
    fn default() -> Self {
        Self { place: Place::BeforeSender, address_bytes: 0, recipients: 0 }
    }
}

impl HandOffDecoder {
    /// Takes the next bytes and appends the records in them to `stored`. What follows the final NUL is ignored,
    /// as `qmail-queue` never reads it.
    pub fn push(&mut self, bytes: &[u8], stored: &mut Vec<u8>) -> Result<(), HandOffError> {
        for &byte in bytes {
            self.place = match (self.place, byte) {
                (Place::BeforeSender, b'F') => self.start(Place::InSender),
                (Place::BetweenRecipients, b'T') => self.start(Place::InRecipient),
                (Place::BetweenRecipients, 0) => {
                    self.place = Place::Complete;
                    return Ok(());
                }
                (Place::BeforeSender | Place::BetweenRecipients, other) => {
                    return Err(HandOffError::UnknownRecord(other));
                }
                (Place::InSender, 0) => Place::BetweenRecipients,
                (Place::InRecipient, 0) => {
                    self.recipients = self.recipients.saturating_add(1);
                    Place::BetweenRecipients
                }
                (inside @ (Place::InSender | Place::InRecipient), _) => {
                    self.address_bytes = self.address_bytes.saturating_add(1);
                    if self.address_bytes > ADDRESS_MAX_BYTES {
                        return Err(HandOffError::AddressTooLong);
                    }
                    inside
                }
                (Place::Complete, _) => return Ok(()),
            };
            stored.push(byte);
        }
        Ok(())
    }

    /// True once the final NUL has arrived.
    pub fn is_complete(&self) -> bool {
        self.place == Place::Complete
    }

    /// Recipients seen so far.
    pub fn recipients(&self) -> u64 {
        self.recipients
    }

    fn start(&mut self, place: Place) -> Place {
        self.address_bytes = 0;
        place
    }
}

/// The wire form of an envelope. Addresses hold no NUL (their types see to it); one that did would be cut there.
pub fn encode<'a>(sender: &[u8], recipients: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = vec![b'F'];
    crate::fields::push(&mut out, sender);
    for recipient in recipients {
        out.push(b'T');
        crate::fields::push(&mut out, recipient);
    }
    out.push(0);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(bytes: &[u8]) -> Result<(Vec<u8>, bool), HandOffError> {
        let (mut decoder, mut stored) = (HandOffDecoder::default(), Vec::new());
        decoder.push(bytes, &mut stored)?;
        Ok((stored, decoder.is_complete()))
    }

    #[test]
    fn envelopes_and_what_becomes_of_them() {
        let long = |n: usize| [b"F".as_slice(), &vec![b'x'; n], b"\0\0"].concat();
        assert_eq!(decode(b"Fa@b\0Tc@d\0\0"), Ok((b"Fa@b\0Tc@d\0".to_vec(), true)));
        assert_eq!(decode(b"F\0\0"), Ok((b"F\0".to_vec(), true)));
        assert_eq!(decode(b"Fa@b\0Tc@d\0"), Ok((b"Fa@b\0Tc@d\0".to_vec(), false)));
        assert_eq!(decode(b"Fa@b\0Tc@d\0\0junk"), Ok((b"Fa@b\0Tc@d\0".to_vec(), true)));
        assert_eq!(decode(b""), Ok((Vec::new(), false)));
        assert_eq!(decode(b"Tx\0"), Err(HandOffError::UnknownRecord(b'T')));
        assert_eq!(decode(b"Fa\0X"), Err(HandOffError::UnknownRecord(b'X')));
        assert!(decode(&long(1002)).is_ok());
        assert_eq!(decode(&long(1003)), Err(HandOffError::AddressTooLong));
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer_however_they_arrive(bytes: Vec<u8>, cut: usize) {
            let cut = cut.checked_rem(bytes.len() + 1).unwrap_or(0);
            let (mut decoder, mut stored) = (HandOffDecoder::default(), Vec::new());
            let result = decoder
                .push(&bytes[..cut], &mut stored)
                .and_then(|()| decoder.push(&bytes[cut..], &mut stored))
                .map(|()| (stored, decoder.is_complete()));
            prop_assert_eq!(result, decode(&bytes));
        }

        #[test]
        fn what_is_encoded_is_decoded(
            sender in proptest::collection::vec(1u8.., 0..50),
            recipients in proptest::collection::vec(proptest::collection::vec(1u8.., 0..50), 0..5),
        ) {
            let wire = encode(&sender, recipients.iter().map(Vec::as_slice));
            let (stored, complete) = decode(&wire).unwrap();
            prop_assert!(complete);
            prop_assert_eq!(&wire[..wire.len() - 1], &stored[..]);
        }
    }
}
