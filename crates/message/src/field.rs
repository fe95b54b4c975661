//! Header fields: which lines are fields, and which fields we know by name (contract 6.3).
//!
//! A field is a whole header field with its continuation lines and its final newline. Values are looked at by
//! [`crate::token`] and [`crate::address_list`]; splitting a message into fields is [`crate::header`].

/// The fields that some program of ours treats in a special way.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum KnownField {
    /// `Sender`
    Sender,
    /// `From`
    From,
    /// `Reply-To`
    ReplyTo,
    /// `To`
    To,
    /// `Cc`
    Cc,
    /// `Bcc`
    Bcc,
    /// `Date`
    Date,
    /// `Message-ID`
    MessageId,
    /// `Subject`
    Subject,
    /// `Resent-Sender`
    ResentSender,
    /// `Resent-From`
    ResentFrom,
    /// `Resent-Reply-To`
    ResentReplyTo,
    /// `Resent-To`
    ResentTo,
    /// `Resent-Cc`
    ResentCc,
    /// `Resent-Bcc`
    ResentBcc,
    /// `Resent-Date`
    ResentDate,
    /// `Resent-Message-ID`
    ResentMessageId,
    /// `Return-Receipt-To`
    ReturnReceiptTo,
    /// `Errors-To`
    ErrorsTo,
    /// `Apparently-To`
    ApparentlyTo,
    /// `Received`
    Received,
    /// `Return-Path`
    ReturnPath,
    /// `Delivered-To`
    DeliveredTo,
    /// `Content-Length`
    ContentLength,
    /// `Content-Type`
    ContentType,
    /// `Content-Transfer-Encoding`
    ContentTransferEncoding,
    /// `Notice-Requested-Upon-Delivery-To`
    NoticeRequestedUponDeliveryTo,
    /// `Mail-Followup-To`
    MailFollowupTo,
}

/// Names in lower case, as compared.
const NAMES: [(&[u8], KnownField); 28] = [
    (b"sender", KnownField::Sender),
    (b"from", KnownField::From),
    (b"reply-to", KnownField::ReplyTo),
    (b"to", KnownField::To),
    (b"cc", KnownField::Cc),
    (b"bcc", KnownField::Bcc),
    (b"date", KnownField::Date),
    (b"message-id", KnownField::MessageId),
    (b"subject", KnownField::Subject),
    (b"resent-sender", KnownField::ResentSender),
    (b"resent-from", KnownField::ResentFrom),
    (b"resent-reply-to", KnownField::ResentReplyTo),
    (b"resent-to", KnownField::ResentTo),
    (b"resent-cc", KnownField::ResentCc),
    (b"resent-bcc", KnownField::ResentBcc),
    (b"resent-date", KnownField::ResentDate),
    (b"resent-message-id", KnownField::ResentMessageId),
    (b"return-receipt-to", KnownField::ReturnReceiptTo),
    (b"errors-to", KnownField::ErrorsTo),
    (b"apparently-to", KnownField::ApparentlyTo),
    (b"received", KnownField::Received),
    (b"return-path", KnownField::ReturnPath),
    (b"delivered-to", KnownField::DeliveredTo),
    (b"content-length", KnownField::ContentLength),
    (b"content-type", KnownField::ContentType),
    (b"content-transfer-encoding", KnownField::ContentTransferEncoding),
    (b"notice-requested-upon-delivery-to", KnownField::NoticeRequestedUponDeliveryTo),
    (b"mail-followup-to", KnownField::MailFollowupTo),
];

impl KnownField {
    /// Which field of the list this is, whatever its case and with blanks allowed before the colon.
    pub fn of(field: &[u8]) -> Option<Self> {
        let (name, _) = split(field)?;
        NAMES.iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|&(_, known)| known)
    }

    /// Whether its presence makes the message a resent one.
    pub fn marks_resent(self) -> bool {
        matches!(
            self,
            Self::ResentSender
                | Self::ResentFrom
                | Self::ResentReplyTo
                | Self::ResentTo
                | Self::ResentCc
                | Self::ResentBcc
                | Self::ResentDate
                | Self::ResentMessageId
        )
    }
}

/// Name and value, where the line is a field at all: it has a colon, and what stands before it, without blanks at
/// its end, is not empty and made of bytes 33 to 126.
///
/// The value is all that follows the colon, the final newline included.
pub fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr::memchr(b':', line)?;
    let (before, rest) = line.split_at_checked(colon)?;
    let blanks = before.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let name = before.get(..before.len().saturating_sub(blanks))?;
    let valid = !name.is_empty() && name.iter().all(|byte| (33..=126).contains(byte));
    valid.then(|| (name, rest.get(1..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_fields_and_lines_that_are_not() {
        assert_eq!(split(b"To: a\n"), Some((&b"To"[..], &b" a\n"[..])));
        assert_eq!(split(b"To \t: a: b\n"), Some((&b"To"[..], &b" a: b\n"[..])));
        assert_eq!(split(b"!:\n"), Some((&b"!"[..], &b"\n"[..])));
        assert_eq!(split(b"hello there\n"), None);
        assert_eq!(split(b"hello there: x\n"), None);
        assert_eq!(split(b" folded: x\n"), None);
        assert_eq!(split(b": x\n"), None);
        assert_eq!(split(b"T\x7fo: a\n"), None);
        assert_eq!(split(b"T\xe9: a\n"), None);
        assert_eq!(split(b""), None);
    }

    #[test]
    fn known_fields_are_found_in_any_case_and_only_whole() {
        assert_eq!(KnownField::of(b"TO: a\n"), Some(KnownField::To));
        assert_eq!(KnownField::of(b"message-ID  : <x>\n"), Some(KnownField::MessageId));
        assert_eq!(KnownField::of(b"Too: a\n"), None);
        assert_eq!(KnownField::of(b"T: a\n"), None);
        assert_eq!(KnownField::of(b"To x: a\n"), None);
        for (name, known) in NAMES {
            assert_eq!(KnownField::of(&[name, b": x\n"].concat()), Some(known));
        }
    }
}
