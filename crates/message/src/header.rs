//! Where a header ends, and where each of its fields does (contract 6.3, message parsing).
//!
//! A machine that takes lines, each with its newline. It keeps one field at a time; who feeds it bounds the lines.

use crate::field;

/// What a line of a header turned out to be.
#[derive(PartialEq, Eq, Debug)]
pub enum Line {
    /// Part of the header. The field before it is complete now, if there was one and it did not go on.
    Header(Option<Vec<u8>>),
    /// The blank line that ends the header. It belongs to neither half.
    Blank(Option<Vec<u8>>),
    /// No field: the header has ended before it, without a blank line, and the line begins the body.
    Body(Option<Vec<u8>>),
}

/// Cuts a header into fields.
#[derive(Default, Debug)]
pub struct HeaderSplitter {
    field: Option<Vec<u8>>,
}

impl HeaderSplitter {
    /// Takes the next line. A last line without newline may be given with one.
    ///
    /// A line `From ...`, as mailboxes have it, becomes the field `MBOX-Line: From ...`.
    pub fn line(&mut self, line: &[u8]) -> Line {
        if let Some(field) = self.field.as_mut().filter(|_| is_continuation(line)) {
            field.extend_from_slice(line);
            return Line::Header(None);
        }
        let complete = self.field.take();
        if line == b"\n" {
            return Line::Blank(complete);
        }
        if !begins_field(line) {
            return Line::Body(complete);
        }
        let prefix: &[u8] = if line.starts_with(b"From ") { b"MBOX-Line: " } else { b"" };
        self.field = Some([prefix, line].concat());
        Line::Header(complete)
    }

    /// True if `line`, whole or cut, would go on with or begin a field.
    pub fn is_header(&self, line: &[u8]) -> bool {
        (self.field.is_some() && is_continuation(line)) || begins_field(line)
    }

    /// The message has ended: its last field, if it was all header.
    pub fn finish(self) -> Option<Vec<u8>> {
        self.field
    }
}

fn is_continuation(line: &[u8]) -> bool {
    matches!(line.first(), Some(b' ' | b'\t'))
}

fn begins_field(line: &[u8]) -> bool {
    line.starts_with(b"From ") || field::split(line).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fields, and what is left as body.
    fn split(message: &str) -> (Vec<String>, String) {
        let mut splitter = HeaderSplitter::default();
        let mut fields = Vec::new();
        let mut rest = message;
        while !rest.is_empty() {
            let (line, after) = rest.split_at(rest.find('\n').map_or(rest.len(), |at| at + 1));
            let (complete, ended) = match splitter.line(line.as_bytes()) {
                Line::Header(complete) => (complete, None),
                Line::Blank(complete) => (complete, Some(after)),
                Line::Body(complete) => (complete, Some(rest)),
            };
            fields.extend(complete);
            if let Some(body) = ended {
                return (texts(fields), body.to_owned());
            }
            rest = after;
        }
        fields.extend(splitter.finish());
        (texts(fields), String::new())
    }

    fn texts(fields: Vec<Vec<u8>>) -> Vec<String> {
        fields.into_iter().map(|field| String::from_utf8(field).unwrap()).collect()
    }

    #[test]
    fn headers_and_where_they_end() {
        for (message, fields, body) in [
            ("", vec![], ""),
            ("\nbody\n", vec![], "body\n"),
            ("To: a\n\nbody\n", vec!["To: a\n"], "body\n"),
            ("To: a,\n\tb\nCc: c\n\n", vec!["To: a,\n\tb\n", "Cc: c\n"], ""),
            ("To: a\n", vec!["To: a\n"], ""),
            (" folded\nTo: a\n\n", vec![], " folded\nTo: a\n\n"),
            ("hello there\nTo: a\n", vec![], "hello there\nTo: a\n"),
            ("To: a\n\r\nb\n", vec!["To: a\n"], "\r\nb\n"),
            ("From j Mon\nTo: a\n\n", vec!["MBOX-Line: From j Mon\n", "To: a\n"], ""),
            ("Subject: x\n \nTo: a\n\nb\n", vec!["Subject: x\n \n", "To: a\n"], "b\n"),
        ] {
            let fields: Vec<String> = fields.into_iter().map(str::to_owned).collect();
            assert_eq!(split(message), (fields, body.to_owned()), "{message:?}");
        }
    }
}
