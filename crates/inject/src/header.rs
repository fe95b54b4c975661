//! What a message's own header says: the fields that are kept, rewritten, and who the recipients are (contract 6.3).

use crate::author::Author;
use crate::error::InjectError;
use crate::rewrite::Rewriter;
use message::address_list;
use message::field::{self, KnownField};
use message::token::{Token, lex, regenerate, unquote};

/// Envelope addresses, in order.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Addresses {
    /// Each ends with NUL.
    bytes: Vec<u8>,
}

impl Addresses {
    /// Appends one. An address ends before its first NUL, as in every envelope.
    pub fn push(&mut self, address: &[u8]) {
        self.bytes.extend_from_slice(before_nul(address));
        self.bytes.push(0);
    }

    /// All of them.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.bytes.split_inclusive(|&byte| byte == 0).map(before_nul)
    }
}

/// What stands before the first NUL.
pub fn before_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// The header, as far as it has been read.
#[derive(Default, Debug)]
pub struct Header {
    seen: Vec<KnownField>,
    kept: Vec<u8>,
    recipients: Addresses,
    resent_recipients: Addresses,
    to_and_cc: Addresses,
    return_path: Option<Vec<u8>>,
    unparsable: Option<Vec<u8>>,
    unparsable_resent: Option<Vec<u8>>,
}

/// What becomes of a field.
enum Treatment {
    /// Copied as it is.
    Keep,
    /// Left out.
    Delete,
    /// Addresses completed.
    Rewrite,
    /// Addresses completed and counted as recipients; kept or not.
    Recipients { kept: bool, resent: bool },
    /// The sender.
    ReturnPath,
}

fn treatment(known: Option<KnownField>, author: &Author) -> Treatment {
    use KnownField as F;
    let switches = author.switches;
    match known {
        Some(F::From) if switches.delete_from => Treatment::Delete,
        Some(F::MessageId) if switches.delete_message_id => Treatment::Delete,
        Some(F::ReturnPath) if switches.delete_return_path => Treatment::Delete,
        Some(F::To | F::Cc | F::ApparentlyTo) => Treatment::Recipients { kept: true, resent: false },
        Some(F::Bcc) => Treatment::Recipients { kept: false, resent: false },
        Some(F::ResentTo | F::ResentCc) => Treatment::Recipients { kept: true, resent: true },
        Some(F::ResentBcc) => Treatment::Recipients { kept: false, resent: true },
        Some(F::ReturnPath) => Treatment::ReturnPath,
        Some(F::Sender | F::From | F::ReplyTo | F::ReturnReceiptTo | F::ErrorsTo) => Treatment::Rewrite,
        Some(F::ResentSender | F::ResentFrom | F::ResentReplyTo) => Treatment::Rewrite,
        // Nobody but the receiving system can know it.
        Some(F::ContentLength) => Treatment::Delete,
        _ => Treatment::Keep,
    }
}

impl Header {
    /// Takes the next field, with its newline.
    pub fn field(
        &mut self,
        field: Vec<u8>,
        rewriter: &Rewriter<'_>,
        author: &Author,
    ) -> Result<(), InjectError> {
        let known = KnownField::of(&field);
        let treatment = treatment(known, author);
        // A field that QMAILINJECT has deleted was never there; Content-Length does not matter.
        if let Some(known) =
            known.filter(|known| !matches!(treatment, Treatment::Delete) && !self.saw(*known))
        {
            self.seen.push(known);
        }
        match treatment {
            Treatment::Keep => self.kept.extend_from_slice(&field),
            Treatment::Delete => {}
            Treatment::Rewrite => match rewritten(&field, rewriter, &mut |_| {}) {
                Some(rewritten) => self.kept.extend_from_slice(&rewritten),
                None => return Err(InjectError::UnparsableField(field)),
            },
            Treatment::ReturnPath => {
                let return_path = &mut self.return_path;
                let parsed = rewritten(&field, rewriter, &mut |address| {
                    return_path.get_or_insert_with(|| author.return_path(address));
                });
                if parsed.is_none() {
                    return Err(InjectError::UnparsableField(field));
                }
            }
            Treatment::Recipients { kept, resent } => {
                let for_followup = matches!(known, Some(KnownField::To | KnownField::Cc));
                self.recipient_field(field, kept, resent, for_followup, rewriter);
            }
        }
        Ok(())
    }

    fn recipient_field(
        &mut self,
        field: Vec<u8>,
        kept: bool,
        resent: bool,
        for_followup: bool,
        rewriter: &Rewriter<'_>,
    ) {
        let mut found = Addresses::default();
        let parsed = rewritten(&field, rewriter, &mut |address| found.push(&unquote(address)));
        if kept {
            self.kept.extend_from_slice(parsed.as_ref().unwrap_or(&field));
        }
        let (recipients, unparsable) = match resent {
            true => (&mut self.resent_recipients, &mut self.unparsable_resent),
            false => (&mut self.recipients, &mut self.unparsable),
        };
        if parsed.is_none() {
            // Not yet an error: the recipients may come from the command line.
            unparsable.get_or_insert(field);
            return;
        }
        if for_followup {
            self.to_and_cc.bytes.extend_from_slice(&found.bytes);
        }
        recipients.bytes.append(&mut found.bytes);
    }

    /// Whether the field was there.
    pub fn saw(&self, field: KnownField) -> bool {
        self.seen.contains(&field)
    }

    /// Whether any Resent- field was there.
    pub fn is_resent(&self) -> bool {
        self.seen.iter().any(|field| field.marks_resent())
    }

    /// The recipients. A field that should name some and cannot be read is an error: to send to the others and say
    /// nothing would lose mail (D40).
    pub fn recipients(&self) -> Result<&Addresses, InjectError> {
        let (recipients, unparsable) = match self.is_resent() {
            true => (&self.resent_recipients, &self.unparsable_resent),
            false => (&self.recipients, &self.unparsable),
        };
        match unparsable {
            Some(field) => Err(InjectError::UnparsableField(field.clone())),
            None => Ok(recipients),
        }
    }

    /// All addresses of To and Cc, those of the last field first, and inside a field from left to right.
    pub fn to_and_cc(&self) -> impl Iterator<Item = &[u8]> {
        self.to_and_cc.iter().rev()
    }

    /// The sender that Return-Path named.
    pub fn return_path(&self) -> Option<&[u8]> {
        self.return_path.as_deref()
    }

    /// The fields that stay, in their order.
    pub fn kept(&self) -> &[u8] {
        &self.kept
    }
}

/// The field with its addresses completed, each shown to `see`, the last one first. `None` if it cannot be read.
fn rewritten(field: &[u8], rewriter: &Rewriter<'_>, see: &mut dyn FnMut(&[Token<'_>])) -> Option<Vec<u8>> {
    let (name, value) = field::split(field)?;
    let list = address_list::rewrite(lex(value).ok()?, &mut |address| {
        rewriter.rewrite(address);
        see(address);
    });
    Some(regenerate(name, &list.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Environment;
    use proptest::prelude::*;

    fn read(fields: &[&[u8]], letters: &[u8]) -> Result<Header, InjectError> {
        let mut environment = Environment::default();
        environment.set("QMAILINJECT", letters);
        let author = Author::read(&environment);
        let rewriter = Rewriter::new(b"@dh", b".dd.example", b".plus.example").unwrap();
        let mut header = Header::default();
        for field in fields {
            header.field(field.to_vec(), &rewriter, &author)?;
        }
        Ok(header)
    }

    fn texts<'a>(addresses: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
        addresses.map(|address| String::from_utf8_lossy(address).into_owned()).collect()
    }

    #[test]
    fn recipients_come_from_right_to_left_and_followups_from_last_to_first() {
        let header = read(&[b"To: a@b.c, d@e.f\n", b"Bcc: x@y.z\n", b"Cc: g@h.i\n"], b"").unwrap();
        assert_eq!(texts(header.recipients().unwrap().iter()), ["d@e.f", "a@b.c", "x@y.z", "g@h.i"]);
        assert_eq!(texts(header.to_and_cc()), ["g@h.i", "a@b.c", "d@e.f"]);
        assert_eq!(header.kept(), b"To: a@b.c, d@e.f\nCc: g@h.i\n");
    }

    #[test]
    fn a_resent_message_goes_to_those_it_is_resent_to() {
        let header = read(&[b"To: (x\n", b"Resent-To: r@s.t\n"], b"").unwrap();
        assert!(header.is_resent());
        assert_eq!(texts(header.recipients().unwrap().iter()), ["r@s.t"]);
        assert_eq!(header.kept(), b"To: (x\nResent-To: r@s.t\n");
    }

    #[test]
    fn a_recipient_field_that_cannot_be_read_is_an_error_only_where_it_counts() {
        let header = read(&[b"Cc: a>\n", b"To: good@x.y\n"], b"").unwrap();
        assert_eq!(header.recipients(), Err(InjectError::UnparsableField(b"Cc: a>\n".to_vec())));
        assert_eq!(header.kept(), b"Cc: a>\nTo: good@x.y\n");
    }

    #[test]
    fn the_last_address_of_the_first_return_path_is_the_sender() {
        let header = read(&[b"Return-Path: J <j>, a@h.x\n", b"Return-Path: <b@x.y>\n"], b"").unwrap();
        assert_eq!(header.return_path(), Some(&b"a@h.x"[..]));
        assert_eq!(header.kept(), b"");
        let header = read(&[b"Return-Path: <>\n"], b"r").unwrap();
        assert_eq!(header.return_path(), Some(&b"-@[]"[..]));
        assert_eq!(read(&[b"Return-Path: <a@x.y>\n"], b"s").unwrap().return_path(), None);
    }

    #[test]
    fn a_field_that_says_who_sent_must_be_readable() {
        let error = InjectError::UnparsableField(b"From: (x\n".to_vec());
        assert_eq!(read(&[b"From: (x\n"], b"").err(), Some(error));
        assert!(!read(&[b"From: (x\n"], b"f").unwrap().saw(KnownField::From));
    }

    #[test]
    fn an_address_ends_before_a_nul() {
        let header = read(&[b"To: jo\0e@h.x\n"], b"").unwrap();
        assert_eq!(texts(header.recipients().unwrap().iter()), ["jo"]);
    }

    proptest! {
        #[test]
        fn any_field_is_taken_or_refused(name in "(To|Cc|From|Return-Path|Resent-Bcc|X)", value: Vec<u8>) {
            let field = [name.as_bytes(), b":", &value, b"\n"].concat();
            let _ = read(&[&field], b"").map(|header| header.recipients().map(|found| found.iter().count()));
        }
    }
}
