//! The fields that a message gets when it comes without them (contract 6.3, 14.1, 14.3).

use crate::author::{Author, Start};
use crate::error::InjectError;
use crate::header::Header;
use crate::rewrite::Rewriter;
use crate::settings::Settings;
use address::quote::quoted;
use message::date::DateTime;
use message::field::KnownField;

/// Digits of randomness in a Message-ID, behind the process id (D49): in a container every process id is low.
const RANDOM_DIGITS: u64 = 10_000_000_000;

/// The fields to put before those that the message has.
pub fn added_fields(
    header: &Header,
    author: &Author,
    rewriter: &Rewriter<'_>,
    settings: &Settings,
    start: Start,
) -> Result<Vec<u8>, InjectError> {
    use KnownField as F;
    let resent = header.is_resent();
    let (prefix, fields): (&[u8], _) = match resent {
        true => (b"Resent-", [F::ResentDate, F::ResentMessageId, F::ResentFrom, F::ResentTo, F::ResentCc]),
        false => (b"", [F::Date, F::MessageId, F::From, F::To, F::Cc]),
    };
    let [date, message_id, from, to, cc] = fields.map(|field| header.saw(field));
    let mut out = Vec::new();
    let mut add = |field: &[u8]| {
        out.extend_from_slice(prefix);
        out.extend_from_slice(field);
    };
    if !date {
        add(date_field(start.seconds).as_bytes());
    }
    if !message_id {
        add(&message_id_field(start, &settings.id_host));
    }
    if !from {
        add(&author.from_field(rewriter)?);
    }
    if !to && !cc {
        add(b"Cc: recipient list not shown: ;\n");
    }
    if !resent && let Some(lists) = &settings.mailing_lists {
        out.extend_from_slice(&followup_field(header, lists));
    }
    Ok(out)
}

/// `Date: 26 Sep 1995 04:46:53 -0000`
pub fn date_field(seconds: u64) -> String {
    format!("Date: {}\n", DateTime::from_unix(seconds).header())
}

/// `Message-ID: <19950926044653.12345.qmail@silverton.berkeley.edu>`, with random digits behind the process id.
fn message_id_field(start: Start, id_host: &[u8]) -> Vec<u8> {
    let (date, random) = (DateTime::from_unix(start.seconds).compact(), start.random % RANDOM_DIGITS);
    let unique = format!("Message-ID: <{date}.{}{random:010}.qmail@", start.pid);
    [unique.as_bytes(), id_host, b">\n"].concat()
}

/// Mail-Followup-To with everybody in To and Cc, where one of them is a mailing list and the field is not there yet.
fn followup_field(header: &Header, lists: &[Vec<u8>]) -> Vec<u8> {
    let is_list = |address: &[u8]| lists.iter().any(|list| list.eq_ignore_ascii_case(address));
    if header.saw(KnownField::MailFollowupTo) || !header.to_and_cc().any(is_list) {
        return Vec::new();
    }
    let all: Vec<Vec<u8>> = header.to_and_cc().map(quoted).collect();
    [b"Mail-Followup-To: ", all.join(&b",\n  "[..]).as_slice(), b"\n"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Environment;

    fn added(fields: &[&str], lists: Option<&[&str]>) -> String {
        let settings = Settings {
            at_default_host: b"@dh.x".into(),
            dot_default_domain: b".dd.x".into(),
            dot_plus_domain: b".plus.x".into(),
            id_host: b"id.x".into(),
            mailing_lists: lists.map(|lists| lists.iter().map(|list| list.as_bytes().to_vec()).collect()),
        };
        let rewriter = Rewriter::new(b"@dh.x", b".dd.x", b".plus.x").unwrap();
        let author = Author::read(&Environment::default());
        let mut header = Header::default();
        for field in fields {
            header.field(field.as_bytes().to_vec(), &rewriter, &author).unwrap();
        }
        let start = Start { seconds: 812_090_813, pid: 12_345, random: 3_000_000_007 };
        String::from_utf8(added_fields(&header, &author, &rewriter, &settings, start).unwrap()).unwrap()
    }

    #[test]
    fn what_is_missing_is_added_and_nothing_else() {
        assert_eq!(
            added(&[], None),
            "Date: 26 Sep 1995 04:46:53 -0000\n\
             Message-ID: <19950926044653.123453000000007.qmail@id.x>\n\
             From: anonymous@dh.x\n\
             Cc: recipient list not shown: ;\n"
        );
        assert_eq!(added(&["Date: x\n", "Message-ID: y\n", "From: z\n", "To: a\n"], None), "");
        assert_eq!(
            added(&["Resent-Date: x\n", "Resent-Message-ID: y\n", "From: z\n"], None),
            "Resent-From: anonymous@dh.x\nResent-Cc: recipient list not shown: ;\n"
        );
    }

    #[test]
    fn followups_go_to_everybody_where_a_list_is_among_them() {
        let have = ["Date: x\n", "Message-ID: y\n", "From: z\n"];
        let with = |fields: &[&str], lists| added(&[&have[..], fields].concat(), lists);
        assert_eq!(
            with(&["To: a@b.c, LIST@x.y\n", "Cc: \"g h\"@i.j\n"], Some(&["list@X.y"])),
            "Mail-Followup-To: \"g h\"@i.j,\n  a@b.c,\n  LIST@x.y\n"
        );
        assert_eq!(with(&["To: a@b.c\n"], Some(&["list@x.y"])), "");
        assert_eq!(with(&["To: list@x.y\n"], None), "");
        assert_eq!(with(&["To: list@x.y\n", "Mail-Followup-To: k\n"], Some(&["list@x.y"])), "");
    }
}
